"""Exemptions must come from an approved pipeline.

What it does: compares the last writer (systemData; our own tagging is seen through) with the approved identities of the
ruleset. Where none are configured the answer is unknown.

Why: an exemption that went through a pipeline was reviewed as code, approved, and can be found again. One written in
the portal was not, and the next run of the pipeline may remove it or, worse, keep it.

Example: a developer with Resource Policy Contributor exempts a resource by hand on a Friday evening.

Instead: add the exemption to the repository that deploys them and let the pipeline write it.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#required-permissions
- https://learn.microsoft.com/azure/governance/policy/concepts/policy-as-code
"""

from functools import lru_cache

from guardrails.exemption.facts import Author, Facts, Unread
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.sources import SYSTEM
from guardrails.rules.base import PASS, Case, Change, NoOptions, Outcome, Rule, Unknown, Violation
from guardrails.rules.callers import NAMED, others, sorted_out
from guardrails.rules.control import Form, Given
from guardrails.rules.words import clip, clips

_NAMED = 3


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where somebody else wrote it; Unknown where nobody is approved or the writer is not known."""
    if not facts.approved:
        return Unknown("no approved pipeline identities are configured")
    author = facts.author
    if isinstance(author, Unread):
        return Unknown(f"the author is not known: {author.reason}")
    if author.name in facts.approved or author.name.lower() in facts.approved:
        return PASS
    if not author.name:
        return Unknown("the author is not known: systemData names nobody")
    said = clip(author.name)
    return Violation(
        "it was not written by an approved pipeline",
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
        return "Nobody is approved in the ruleset."
    ids, names = sorted_out(given.approved)
    leaves = [
        "A caller approved by another id than Azure records: a policy accepts object id and application id.",
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
    control=control,
    good=(
        Case("the pipeline wrote it"),
        Case("the pipeline, in other casing", facts={
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
