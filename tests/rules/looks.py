"""How the tests of the rules look at an exemption: the sample with changes, and one rule."""

from typing import Any

from guardrails.exemption.model import NotReturned
from guardrails.rules import all_rules
from guardrails.rules.base import Case, Outcome, Rule, Unknown, Violation
from guardrails.rules.sample import read

METADATA = {
    "owner": "data-platform@contoso.com",
    "approvalTicket": "SEC-1234",
    "approver": "ciso@contoso.com",
    "reviewDate": "2027-02-01",
}


def look(rule: str, *, options: dict[str, Any] | None = None, **case: Any) -> Outcome:
    """Return what a rule says of the sample with changes (the fields of Case)."""
    declared = all_rules()[rule]
    return outcome(declared, Case("", options=options or {}, **case))


def outcome(rule: Rule, case: Case, options: Any = None) -> Outcome:
    """Return what a rule says of a case; Unknown where it asks for a field that the source does not return."""
    exemption, facts = read(case)
    try:
        return rule.check(exemption, facts, options or rule.options(**case.options))
    except NotReturned as lacking:
        return Unknown(str(lacking))


def kind(rule: str, *, options: dict[str, Any] | None = None, **case: Any) -> str:
    """Return Pass, Violation or Unknown."""
    return type(look(rule, options=options, **case)).__name__


def violation(rule: str, *, options: dict[str, Any] | None = None, **case: Any) -> Violation:
    """Return the violation, which must be one."""
    outcome = look(rule, options=options, **case)
    assert isinstance(outcome, Violation)
    return outcome
