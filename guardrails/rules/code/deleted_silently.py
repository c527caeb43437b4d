"""EPAC must not delete an exemption that nobody means to remove.

What it does: compares the deployed exemptions with what EPAC would do. `exg check` reads the deployed exemptions from
the files that you name with `--azure`. It is a violation if EPAC would delete an exemption and one of these is true.
(1) An entry has the exemption's name, but EPAC skips the entry, or uses the entry only for other scopes.
(2) EPAC finds no entries in any file. (3) EPAC ignores all entries of one file: for example, their key is `exemption`
instead of `exemptions`. (4) The exemption has no `pacOwnerId` in its metadata, the mark that EPAC puts on exemptions
that it owns. Only `exg check` runs this rule.

Why: if EPAC finds no entry for an exemption that it owns, it deletes the exemption without asking. With the strategy
`full`, it also deletes exemptions without a `pacOwnerId`.

Example: the assignment in an entry is misspelt. EPAC skips the entry with a warning, and deletes the deployed
exemption.

Instead: to keep exemptions that EPAC does not own, use the strategy `ownedOnly`.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/policy-as-code
"""

from guardrails.exemption.facts import Facts, Planned
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import Case, NoOptions, Outcome, Rule, never
from guardrails.rules.risks import NO_CONTROL, NO_REVERT, report, sample

NAME = "deleted-silently"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where its deployer does so."""
    return report(facts, NAME)


RULE = Rule(
    code="EXG607",
    name=NAME,
    severity=Severity.HIGH,
    soc2=("CC8.1",),
    remediation="Correct the entry, or remove it if the exemption must go.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("the tool does what the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "its entry is skipped",
            NAME,
            "EPAC deletes it, because it skips its entry",
            "the id of an assignment that exists",
        ),
    ),
    risk=True,
    no_revert=NO_REVERT,
)
