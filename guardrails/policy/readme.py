"""README.md of the generated policies: every rule and its policies, or why it has none. Pure."""

from collections.abc import Mapping, Sequence

from guardrails.policy import deletion
from guardrails.policy.condition import UNSEEN, Refusal
from guardrails.policy.definition import CALLERS, DENIALS, INITIATIVE
from guardrails.rules import all_rules
from guardrails.rules.base import Rule


def readme(found: Mapping[str, Refusal | str], source: str, notes: Sequence[str]) -> str:
    """Return the page: `found` is what each rule refuses, or why it refuses nothing."""
    rows = [_row(all_rules()[name], one) for name, one in found.items()]
    refusals = [one for one in found.values() if isinstance(one, Refusal)]
    intro = (
        f"{len(refusals)} of {len(found)} rules in `{source}` have a policy. `docs/prevention.md` says how to deploy"
        " them, and what they cannot do.\n\n"
        f"- `{INITIATIVE}` reports. Read its compliance data.\n"
        f"- `{DENIALS}` refuses writes by each rule that the assignment sets to Deny. It lets past the identities in"
        " its parameters."
    )
    parts = [
        "<!-- Made by `exg policy build`; edit the ruleset, not this. -->",
        "# Azure Policy definitions from the ruleset",
        intro,
        "A policy refuses nothing that its rule accepts. The service judges the rest after the write.",
        "## Rules",
        _table(("rule", "reports", "refuses", "left to the service, or why the rule has no policy"), rows),
        f"All policies also leave to the service: {UNSEEN}",
        f"All policies that refuse also leave to the service: {' '.join(CALLERS)}",
        "## Deletes",
        f"{_link(deletion.NAME)}, in `{DENIALS}`, refuses deletes of exemptions in force. It is off by default.",
    ]
    young = [f"`{one.rule.name}`" for one in refusals if one.reads_metadata]
    if young:
        warning = (
            f"{', '.join(young)} read the alias `Microsoft.Authorization/policyExemptions/metadata`. It covers the"
            " whole object. Azure added it in April 2026, and withdrew it once for a day. Do not rely on these policies"
            " alone: the service reads the metadata itself."
        )
        parts += ["## Metadata", warning]
    parts += ["## Tag-driven exceptions", "\n".join(f"- {note}" for note in notes)]
    return "\n\n".join(parts) + "\n"


def _row(rule: Rule, one: Refusal | str) -> tuple[str, str, str, str]:
    name = f"{rule.code} `{rule.name}`"
    if isinstance(one, str):
        return name, "none", "none", one
    reports = "none" if one.by_caller else _link(one.name)
    leaves = " ".join(text for text in one.leaves if text != UNSEEN)
    return name, reports, _link(one.denial) if one.deny else "none", leaves or "nothing more"


def _link(name: str) -> str:
    return f"[{name}](definitions/{name}.json)"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
