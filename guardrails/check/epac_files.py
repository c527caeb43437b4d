"""Files of one environment of EPAC: read, planned and judged, all together or some at a time. Pure."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from guardrails.check.answer import Judged, Problem, judged_again
from guardrails.check.azure_objects import AzureObjects
from guardrails.check.epac import FileSaid, judged_of, said_of
from guardrails.check.epac_findings import add_findings
from guardrails.check.epac_risks import risks_of
from guardrails.check.judge import Candidate, judge_all
from guardrails.dataclass import dataclass, replace
from guardrails.epac.entries import EpacFile
from guardrails.epac.lifecycle import joined, plan
from guardrails.epac.plan import EpacPlan, Item
from guardrails.epac.world import World
from guardrails.files.epac import read_epac
from guardrails.files.epac_cells import JsonCells
from guardrails.ruleset.model import Ruleset

if TYPE_CHECKING:
    from guardrails.check.trace import Trace

_MORE: Final = 0.08
"""How much longer the first part is."""
_AT_ONCE: Final = 500
"""Exemptions that are judged at once."""

type Files = Sequence[tuple[str, bytes]]
"""The path and the bytes of each, in the order in which EPAC reads them."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What the files of one environment are planned and judged in.

    Attributes:
        hidden: paths of files that EPAC does not read, for a name in them begins with a dot.
        makes_assignments, next_run, now: see guardrails.check.judge.
        trace: says what an exemption of a plan comes of; None where nobody compares.
    """

    world: World
    azure: AzureObjects
    ruleset: Ruleset
    now: datetime
    next_run: timedelta | None
    makes_assignments: bool
    hidden: Sequence[str] = ()
    trace: "Callable[[Item, EpacPlan], Trace | None] | None" = None


class Come(NamedTuple):
    """What files come to. `judged`: the plan's exemptions; `more`: what stands for others that have findings.

    The plan's own exemptions are not kept.
    """

    plan: EpacPlan
    files: list[FileSaid]
    judged: list[Judged]
    more: list[Judged]
    problems: list[Problem]

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what another process makes the same of, with its exemptions taken apart: see Judged.apart."""
        return _come_again, (self.plan, self.files, [one.apart() for one in self.judged], self.more, self.problems)


def _come_again(plan: EpacPlan, files: list[FileSaid], judged: list[tuple[Any, ...]], *rest: Any) -> Come:
    return Come(plan, files, [judged_again(*one) for one in judged], *rest)


def come_of(data: Files, setting: Setting) -> Come:
    """Return what files come to, with no others beside them."""
    return _come(*_planned(data, setting.world), setting)


def _planned(data: Files, world: World) -> tuple[list[EpacFile], EpacPlan]:
    files = [read_epac(text, path, world.runner) for path, text in data]
    return files, plan(files, world, JsonCells(world.runner))


def _come(files: list[EpacFile], planned: EpacPlan, setting: Setting) -> Come:
    judged, problems = _judged(planned, setting)
    by_item = {id(item): one for item, one in zip(planned.items, judged, strict=True)}
    more = add_findings(risks_of(files, planned, setting.hidden), by_item, setting.ruleset, setting.now)
    return Come(replace(planned, items=[]), [*map(said_of, files)], judged, more, problems)


def _judged(planned: EpacPlan, setting: Setting) -> tuple[list[Judged], list[Problem]]:
    """Return the exemptions of a plan with what the rules say, and what is no exemption at all."""
    judged: list[Judged] = []
    problems: list[Problem] = []
    for start in range(0, len(planned.items), _AT_ONCE):
        candidates: list[Candidate] = []
        for item in planned.items[start : start + _AT_ONCE]:
            one, exemption, risky = judged_of(item, planned, setting.world.environment)
            judged.append(one)
            if setting.trace is not None:
                one.trace = setting.trace(item, planned)
            if one.deployed is not False:
                candidates.append(
                    Candidate(
                        one, exemption, one.properties, one.id, setting.next_run, setting.azure, setting.now, risky
                    )
                )
        refused = judge_all(candidates, setting.ruleset, makes_assignments=setting.makes_assignments)
        problems += [Problem(*one.place, message) for one, message in refused]
    return judged, problems


def parts_of(data: Files, count: int) -> list[Files]:
    """Return files in so many parts, at most, that take about as long; none of them is empty.

    The first one is longer: whoever hands out the parts has no answer to hand over.
    """
    sizes = [len(text) * (1 + path.lower().endswith(".csv")) for path, text in data]  # a table has no keys
    middles = [2 * end - size for size, end in zip(sizes, accumulate(sizes), strict=True)]
    each = 2 * sum(sizes) / (count + _MORE)
    ends = (sum(middle < each * (number + _MORE) for middle in middles) for number in range(1, count))
    return [data[start:end] for start, end in pairwise(sorted({0, *ends, len(data)}))]


def part_come(data: Files, setting: Setting, number: int) -> Come:
    """Return what a part of the files comes to; its plan alone, where that depends on the others.

    `number`: of the part. What is about no file is about the first one, number 0.
    """
    files, planned = _planned(data, setting.world)
    if planned.apart is None:
        return Come(replace(planned, items=[]), [], [], [], [])
    return _come(files, planned, replace(setting, hidden=()) if number else setting)


def together(parts: Sequence[Come]) -> Come | None:
    """Return what files come to, by what each part of them comes to; None where a part depends on another."""
    whole = joined([one.plan for one in parts])
    if whole is None:
        return None
    return Come(
        whole,
        [said for one in parts for said in one.files],
        [said for one in parts for said in one.judged],
        [said for one in parts for said in one.more],
        [said for one in parts for said in one.problems],
    )
