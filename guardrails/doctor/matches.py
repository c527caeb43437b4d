"""The check of what the ruleset lists: whether each exclusion, override and owner matches an exemption."""

from collections.abc import Sequence
from typing import Final

from guardrails.doctor.model import Finding, informed, passed, unknown
from guardrails.doctor.world import World
from guardrails.exemption.counts import number_of
from guardrails.exemption.times import spell_time
from guardrails.sweep.matches import Counted, Matches, counted, last_counted, uncounted

_SHOWN: Final = 12
_ALL: Final = "exg rules --counts"
_REMEDIATION: Final = "Fix its pattern, or remove it if it is not needed"


async def matches(world: World) -> list[Finding]:
    """What matches none is named; that is no failure, for it may be meant so. Raises what storage does."""
    ruleset = world.ruleset()
    if ruleset is None:
        return [unknown("the ruleset is broken, so its lists are unknown", "Fix the ruleset")]
    found = last_counted(await world.service.register.sweeps.last())
    listed = counted(ruleset, found)
    if not listed:
        return [passed("the ruleset has no exclusion, no override and no owner")]
    if found is None or not found.is_of(ruleset):
        return [unknown(*uncounted(ruleset, found))]
    flagged = [(one.at, f"{one.path}, {one.about[:80]}: {one.idle}") for one in listed if one.idle]
    return [_in_short(listed, found), *informed(flagged, _REMEDIATION)]


def _in_short(listed: Sequence[Counted], found: Matches) -> Finding:
    counts = [f"{one.path} {one.exemptions}" for one in listed[:_SHOWN]]
    counts += [f"and {len(listed) - _SHOWN} more"] if len(listed) > _SHOWN else []
    seen = f"of {number_of(found.exemptions, 'exemption')} in the sweep of {spell_time(found.at)}: {', '.join(counts)}"
    return passed(seen if found.whole else f"{seen}; the sweep could not see all scopes", remediation=_ALL)
