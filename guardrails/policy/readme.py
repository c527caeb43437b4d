"""README.md of the generated policies: every rule and its policies, or why it has none. Pure."""

from collections.abc import Mapping, Sequence

from guardrails.policy import deletion
from guardrails.policy.condition import Refusal
from guardrails.policy.definition import CALLERS, DENIALS, INITIATIVE


def readme(found: Mapping[str, Refusal | str], source: str, notes: Sequence[str]) -> str:
    """Return the page: `found` is what each rule refuses, or why it refuses nothing."""
    refusals = [one for one in found.values() if isinstance(one, Refusal)]
    reasons: dict[str, list[str]] = {}
    for name, one in found.items():
        if isinstance(one, str):
            reasons.setdefault(one, []).append(name)
    intro = (
        f"Of the {len(found)} rules on exemptions, {len(refusals)} have a policy that `exg policy build` makes from"
        f" `{source}`. `docs/prevention.md` says how to deploy the policies, and what they cannot do. It also names the"
        " two cases in which Azure refuses a write that the rule accepts. The service judges every write that Azure"
        " accepts.\n\n"
        f"- The initiative `{INITIATIVE}` refuses nothing. Its compliance data in Azure Policy shows the exemptions"
        " that break a rule.\n"
        f"- The initiative `{DENIALS}` refuses a write that breaks a rule, if the assignment sets this rule to Deny. It"
        f" never refuses a write by an identity that is listed in its parameters. {_link(deletion.NAME)}, off by"
        " default, refuses deletes of exemptions that have not expired."
    )
    parts = [
        "<!-- Made by `exg policy build`; edit the ruleset, not this. -->",
        "# Azure Policy definitions from the ruleset",
        intro,
        "## Rules",
        *_untested(refusals),
        "The policies that refuse writes do not refuse these callers. The service judges their writes:",
        "\n".join(f"- {caller}" for caller in CALLERS),
        "A policy does not find every violation of its rule. The last column says what else it leaves to the service:",
        _table(
            ("rule", "definition that reports", "definition that refuses", "also left to the service"),
            [_row(one) for one in refusals],
        ),
    ]
    young = [f"`{one.rule.name}`" for one in refusals if one.reads_metadata]
    if young:
        warning = (
            f"{', '.join(young)} read the alias `Microsoft.Authorization/policyExemptions/metadata`. Azure added it in"
            " April 2026, and withdrew it once for a day. Do not rely on these policies alone."
        )
        parts += [warning]
    parts += [
        "### Rules without a policy",
        _table(("rules", "reason"), [(", ".join(f"`{name}`" for name in of), why) for why, of in reasons.items()]),
    ]
    parts += ["## Tag-driven exceptions", "\n".join(f"- {note}" for note in notes)]
    return "\n\n".join(parts) + "\n"


def _untested(refusals: Sequence[Refusal]) -> list[str]:
    """Return the part on writes that policies perhaps do not see; none where there is no policy."""
    writes = dict.fromkeys(one for refusal in refusals for one in refusal.untested)
    said = "Nobody has tested in Azure whether policies see these writes, so the service judges them too:"
    return [said, "\n".join(f"- {one[0].upper()}{one[1:]}." for one in writes)] if writes else []


def _row(one: Refusal) -> tuple[str, str, str, str]:
    reports = "none" if one.by_caller else _link(one.name)
    name = f"{one.rule.code} `{one.rule.name}`"
    return name, reports, _link(one.denial) if one.deny else "none", " ".join(one.leaves) or "nothing else"


def _link(name: str) -> str:
    return f"[{name}](definitions/{name}.json)"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
