"""An approval ticket must look like one.

What it does: matches the whole ticket with `pattern`, by its first 200 characters. Where there is no ticket at all it
passes, for `ticket-missing` says that.

Why: "see mail from Bob" cannot be followed. An auditor samples exemptions and opens their tickets; a reference that no
system knows is a missing approval.

Example: `approvalTicket: approved by phone`.

Instead: write the key that the ticket system gave: SEC-1234, CHG0031337, AB#77, or the ticket's https address.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
- https://www.aicpa-cima.com/resources/download/2017-trust-services-criteria-with-revised-points-of-focus-2022
"""

from dataclasses import dataclass

from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.patterns import regex
from guardrails.exemption.severity import Severity
from guardrails.rules.base import METADATA, PASS, Case, Change, Outcome, Rule, Unknown, Violation, option
from guardrails.rules.words import LONGEST, clip

FORMS = (
    r"[A-Za-z][A-Za-z0-9_]{0,30}-\d{1,12}"  # Jira, YouTrack, Linear: SEC-1234
    r"|(?i:CHG|RITM|REQ|INC|SCTASK|TASK|PRB|DMND|STRY)\d{5,12}"  # ServiceNow: CHG0031337
    r"|AB#\d{1,12}"  # Azure Boards: AB#77
    r"|[\w.-]{1,60}/[\w.-]{1,100}#\d{1,12}"  # GitHub, GitLab: owner/repo#12
    r"|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"  # systems that number by GUID
    r"|https://[\w.-]+(?::\d{1,5})?/[!-~]+"  # a ticket's own address
)


@dataclass(frozen=True, slots=True)
class Options:
    """What a ticket looks like."""

    pattern: str = option(FORMS, "regular expression (RE2) that the whole ticket must match", pattern=True)


def check(exemption: Exemption, facts: Facts, options: Options) -> Outcome:  # noqa: ARG001
    """Violation where there is a ticket and it does not match; Unknown where the pattern is not one."""
    ticket = exemption.said.get("ticket")
    if ticket is None:
        return PASS
    try:
        pattern = regex(options.pattern)
    except ValueError:
        return Unknown("the option 'pattern' is not a regular expression")
    if pattern.matches(ticket[:LONGEST]):
        return PASS
    said, form = clip(ticket), clip(options.pattern)
    allowed = "a key such as SEC-1234, CHG0031337 or AB#77, or the ticket's https address"
    if options.pattern != FORMS:
        allowed = f"what matches the regular expression {form}"
    return Violation(
        "its ticket is not of the agreed form",
        {"ticket": said, "pattern": form},
        Change(f"{METADATA}ticket", said, allowed, "<ticket>"),
    )


def _with_ticket(ticket: object) -> dict[str, object]:
    """Return properties with that ticket and all else that metadata must say."""
    return {"metadata": {
        "owner": "data-platform@contoso.com", "approvalTicket": ticket, "reviewDate": "2027-02-01",
    }}  # fmt: skip


RULE = Rule(
    code="EXG202",
    name="ticket-format",
    severity=Severity.MEDIUM,
    soc2=("CC8.1",),
    remediation="Write the ticket's key as its system gives it, or its https address.",
    check=check,
    control="The alias covers the whole metadata: a policy sees that a key is there, but not its value.",
    options=Options,
    good=(
        Case("a Jira key"),
        Case("a ServiceNow change", properties=_with_ticket("CHG0031337")),
        Case("an address", properties=_with_ticket("https://contoso.atlassian.net/browse/SEC-1234")),
        Case("a GUID", properties=_with_ticket("4baf214c-8d54-4646-be3f-eb6ec7b9bc4f")),
        Case("no ticket at all", properties={"metadata": None}, options={"pattern": r"SEC-\d+"}),
    ),
    bad=(
        Case("a sentence", properties=_with_ticket("approved by Bob on the phone")),
        Case("a bare number", properties=_with_ticket(1234)),
        Case("a key of another project", properties=_with_ticket("OPS-7"), options={"pattern": r"SEC-\d+"}),
    ),
    unclear=(Case("a pattern that is none", options={"pattern": "SEC-("}),),
)
