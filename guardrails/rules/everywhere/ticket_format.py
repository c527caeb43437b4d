"""An approval ticket must have the agreed form.

What it does: compares the ticket with the regular expression in `pattern`. Only the first 200 characters count, and
the pattern must match all of them. An exemption without a ticket passes; `ticket-missing` judges it.

Why: an auditor opens the tickets of some exemptions. Nobody can open "see mail from Bob".

Example: `approvalTicket: approved by phone`.

Instead: examples: SEC-1234, CHG0031337, AB#77.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
"""

from guardrails.dataclass import dataclass
from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.patterns import regex
from guardrails.exemption.severity import Severity
from guardrails.rules.base import METADATA, PASS, Case, Change, Outcome, Rule, Unknown, Violation, never, option
from guardrails.rules.sample import metadata
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

    pattern: str = option(FORMS, "the regular expression (RE2) that the whole ticket must match", pattern=True)


def check(exemption: Exemption, facts: Facts, options: Options) -> Outcome:  # noqa: ARG001
    """Violation where there is a ticket and it does not match; Unknown where the pattern is not one."""
    ticket = exemption.said.get("ticket")
    if ticket is None or (options.pattern == FORMS and _is_key(ticket)):
        return PASS
    try:
        if regex(options.pattern).matches(ticket[:LONGEST]):
            return PASS
    except ValueError:
        return Unknown("the option 'pattern' is not a regular expression")
    said, form = clip(ticket), clip(options.pattern)
    allowed = "a key such as SEC-1234, CHG0031337 or AB#77, or the ticket's https address"
    if options.pattern != FORMS:
        allowed = f"a text that matches the regular expression {form}"
    return Violation(
        "its ticket does not have the agreed form",
        {"ticket": said, "pattern": form},
        Change(f"{METADATA}ticket", said, allowed, "<ticket>"),
    )


def _is_key(ticket: str) -> bool:
    """Whether a ticket surely is of the first of FORMS: most are, and RE2 need not be imported, nor asked."""
    project, _, number = ticket.partition("-")
    key = project.isidentifier() and project[0] != "_" and len(project) <= 31
    return key and number.isdigit() and len(number) <= 12 and ticket.isascii()


RULE = Rule(
    code="EXG202",
    name="ticket-format",
    severity=Severity.MEDIUM,
    soc2=("CC8.1",),
    remediation="Write the ticket's key as the ticket system gives it, or the https address of the ticket.",
    check=check,
    next_change=never,
    control="A policy sees whether the metadata has a ticket key, but not the ticket.",
    options=Options,
    good=(
        Case("a Jira key"),
        Case("a ServiceNow change", properties=metadata(approvalTicket="CHG0031337")),
        Case("an address", properties=metadata(approvalTicket="https://contoso.atlassian.net/browse/SEC-1234")),
        Case("a GUID", properties=metadata(approvalTicket="4baf214c-8d54-4646-be3f-eb6ec7b9bc4f")),
        Case("no ticket at all", properties={"metadata": None}, options={"pattern": r"SEC-\d+"}),
    ),
    bad=(
        Case("a sentence", properties=metadata(approvalTicket="approved by Bob on the phone")),
        Case("a bare number", properties=metadata(approvalTicket=1234)),
        Case("a key of another project", properties=metadata(approvalTicket="OPS-7"), options={"pattern": r"SEC-\d+"}),
    ),
    unclear=(Case("the pattern is not a regular expression", options={"pattern": "SEC-("}),),
)
