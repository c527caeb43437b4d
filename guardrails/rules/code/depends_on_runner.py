"""A date in a file of EPAC must mean the same on every machine.

What it does: finds dates that depend on the culture of the machine that runs EPAC: its language and region settings.
Also finds two kinds of expiries. If an expiry has an offset, EPAC converts it to the time zone of that machine. If an
expiry has no day or no year, EPAC uses the day or the year in which EPAC runs. Each is a violation. Only `exg check`
runs this rule.

Why: the exemption ends on one day on one machine, and on another day on another machine.

Example: `12/3/2099` is 3 December in `en-US` and 12 March in `de-DE`.

Instead: for example, `2099-12-03T00:00:00Z`.

References:
- https://learn.microsoft.com/dotnet/api/system.datetime.parse
"""

from guardrails.exemption.facts import Facts, Planned
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import Case, NoOptions, Outcome, Rule, never
from guardrails.rules.risks import NO_CONTROL, NO_REVERT, report, sample

NAME = "depends-on-runner"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where its deployer does so."""
    return report(facts, NAME)


RULE = Rule(
    code="EXG613",
    name=NAME,
    severity=Severity.MEDIUM,
    soc2=("CC8.1",),
    remediation="Write the date in UTC, with Z at its end.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("the tool does what the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "the order of day and month",
            NAME,
            "the culture of the runner says which number is the month",
            "2099-12-03T00:00:00Z",
        ),
    ),
    risk=True,
    no_revert=NO_REVERT,
)
