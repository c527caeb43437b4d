"""Each exemption must be written by an approved pipeline.

What it does: compares the last writer in systemData with the approved identities in the ruleset. If the service's own
tag was the last write, the rule takes the writer before it. If the ruleset approves no identity, the result is unknown.

Why: an exemption from a pipeline was reviewed as code and approved. An exemption from the portal was not. The next run
of the pipeline may remove it or, worse, keep it without a review.

Example: on a Friday evening, a developer with the role Resource Policy Contributor exempts a resource by hand.

Instead: add it to the repository of exemptions.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#required-permissions
- https://learn.microsoft.com/azure/governance/policy/concepts/policy-as-code
"""

from functools import lru_cache

from guardrails.exemption.facts import Author, Facts, Unread
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.sources import SYSTEM
from guardrails.rules.base import PASS, Case, Change, NoOptions, Outcome, Rule, Unknown, Violation, never
from guardrails.rules.callers import NAMED, others, sorted_out
from guardrails.rules.control import Form, Given
from guardrails.rules.words import clip, clips

_NAMED = 3


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where somebody else wrote it; Unknown where nobody is approved or the writer is not known."""
    if not facts.approved:
        return Unknown("the ruleset approves no pipeline")
    author = facts.author
    if isinstance(author, Unread):
        return Unknown(f"the author is unknown: {author.reason}")
    if author.name in facts.approved or author.name.lower() in facts.approved:
        return PASS
    if not author.name:
        return Unknown("the author is unknown: systemData names nobody")
    said = clip(author.name)
    return Violation(
        "an approved pipeline did not write it",
        {"author": said, "kind": clip(author.kind)},
        Change("systemData.lastModifiedBy", said, _allowed(facts.approved)),
    )


@lru_cache(maxsize=8)
def _allowed(approved: frozenset[str]) -> str:
    named = ", ".join(clips(sorted(approved)[:_NAMED]))
    return f"an approved pipeline: {named}{', …' if len(approved) > _NAMED else ''}"


def control(options: NoOptions, given: Given) -> Form | str:  # noqa: ARG001
    """Refuse whoever is not approved, by the claims of his token."""
    if not given.approved:
        return "The ruleset approves nobody."
    ids, names = sorted_out(given.approved)
    leaves = [
        "A caller whose approved id is not the recorded one: a policy accepts object id and application id.",
        *([NAMED] if names else ()),
    ]
    return Form(others(ids, people=not names), leaves=tuple(leaves), by_caller=True)


RULE = Rule(
    code="EXG206",
    name="author-not-approved",
    severity=Severity.HIGH,
    soc2=("CC6.3", "CC8.1"),
    remediation="Deploy the exemption through an approved pipeline.",
    check=check,
    next_change=never,
    control=control,
    good=(
        Case("the pipeline wrote it"),
        Case("the pipeline, in other letter case", facts={
            "author": Author("9B1C6A52-6F0E-4D62-8A11-0D7B0C6F6E10", "Application"),
        }),
    ),
    bad=(Case("a person wrote it", facts={"author": Author("bob@contoso.com", "User")}),),
    unclear=(
        Case("no approved identities", facts={"approved": frozenset()}),
        Case("read from a file", facts={"author": Unread("the body has no systemData")}),
        Case("systemData without a name", facts={"author": Author("", "")}),
    ),
    needs=(SYSTEM,),
)  # fmt: skip
