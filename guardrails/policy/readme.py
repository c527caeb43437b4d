"""README.md of the generated policies: every rule and its policies, or why it has none. Pure."""

from collections.abc import Mapping, Sequence

from guardrails.policy import deletion
from guardrails.policy.condition import Refusal
from guardrails.policy.definition import CALLERS, DENIALS, INITIATIVE
from guardrails.rules import all_rules
from guardrails.rules.base import Rule


def readme(found: Mapping[str, Refusal | str], source: str, notes: Sequence[str]) -> str:
    """Return the page: `found` is what each rule refuses, or why it refuses nothing."""
    rows = [_row(all_rules()[name], one) for name, one in found.items()]
    refusals = [one for one in found.values() if isinstance(one, Refusal)]
    intro = (
        f"From `{source}`: {len(refusals)} of {len(found)} rules have a policy. The initiative `{INITIATIVE}` reports,"
        f" and people read its compliance data. The initiative `{DENIALS}` refuses, rule by rule, where the assignment"
        " says Deny, and lets past whom its parameters name. `docs/prevention.md` says how to deploy them, and what"
        " they cannot do."
    )
    parts = [
        "<!-- Made by `exg policy build`; edit the ruleset, not this. -->",
        "# Policies made from the ruleset",
        intro,
        "A policy refuses nothing that its rule lets pass. What it does not see, the service judges after the write.",
        "## Rules",
        _table(("rule", "reports", "refuses", "left to the service, or why there is no policy"), rows),
        f"What refuses also leaves to the service: {' '.join(CALLERS)}",
        "## Deletes",
        f"{_link(deletion.NAME)}, in `{DENIALS}`, is off by default. It refuses deletes of what is in force.",
    ]
    young = [f"`{one.rule.name}`" for one in refusals if one.reads_metadata]
    if young:
        warning = (
            f"{', '.join(young)} read the alias `Microsoft.Authorization/policyExemptions/metadata`. It is of the whole"
            " object and came in April 2026; it was taken back once, for a day. Do not let these policies be the only"
            " control: the service reads the metadata itself."
        )
        parts += ["## Metadata", warning]
    parts += ["## Tag-driven exceptions", "\n".join(f"- {note}" for note in notes)]
    return "\n\n".join(parts) + "\n"


def _row(rule: Rule, one: Refusal | str) -> tuple[str, str, str, str]:
    name = f"{rule.code} `{rule.name}`"
    if isinstance(one, str):
        return name, "none", "none", one
    reports = "none" if one.by_caller else _link(one.name)
    return name, reports, _link(one.denial) if one.deny else "none", " ".join(one.leaves)


def _link(name: str) -> str:
    return f"[{name}](definitions/{name}.json)"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
