"""The findings of what EPAC silently does, put to the exemptions that they are about. Pure."""

from collections.abc import Sequence
from datetime import datetime

from guardrails.check.answer import Done, Judged, Placed
from guardrails.check.epac import FORMAT
from guardrails.check.epac_risks import Found
from guardrails.check.partial import seen
from guardrails.decisions.assess import findings_of
from guardrails.errors import Permanent
from guardrails.evaluation.values import Unknown, Value
from guardrails.exemption.facts import Facts, Planned, Unread
from guardrails.ruleset.model import Ruleset

_NOT_ASKED = Unread("only the rules on deployers are asked")


def add_findings(found: Sequence[Found], judged: dict[int, Judged], ruleset: Ruleset, now: datetime) -> list[Judged]:
    """Put findings to exemptions; return more of them for what makes none: of files, and of what is deleted.

    Args:
        judged: id() of an item of the plan -> its exemption.
    """
    more: list[Judged] = []
    for one in found:
        about = judged.get(id(one.item)) if one.item else None
        if about is None:
            about = _made_for(one)
        placed = _placed(one, about, ruleset, now)
        if placed is None:
            continue
        about.add((placed,))
        if not one.item:
            more.append(about)
    return more


def _made_for(one: Found) -> Judged:
    """Return what stands for an exemption that is not made, or that is deleted."""
    unknown: Value = Unknown("EPAC makes no exemption of it")
    identity: Value = one.identity or unknown
    name: Value = one.identity.rpartition("/")[2] or unknown
    deployed = False
    return Judged(
        FORMAT, one.place, (), deployed, one.entry, None, identity, unknown, name, unknown, unknown, done=Done(None)
    )  # fmt: skip


def _placed(one: Found, about: Judged, ruleset: Ruleset, now: datetime) -> Placed | None:
    """Return the finding, None where its rule is off for the exemption."""
    nowhere = Unknown("EPAC makes no exemption of it")
    try:
        exemption = seen(about.id, about.properties, ruleset.names).exemption
    except Permanent:
        exemption = seen(nowhere, nowhere, ruleset.names).exemption
    facts = Facts(now, now, _NOT_ASKED, _NOT_ASKED, planned=Planned(risks=(one.risk,)))
    finding = next(iter(findings_of(one.risk.rule, exemption, facts, ruleset)), None)
    return None if finding is None else Placed(finding, one.at, one.place)
