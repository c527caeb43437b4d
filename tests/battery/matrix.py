"""The crash matrix: every flow, with the process dying before or after every request that may change the world.

    python -m tests.battery matrix                          all of it
    python -m tests.battery matrix "tag both"               one flow, at all its scopes
    python -m tests.battery matrix "tag both/group/3/after/sweeps"

Then either whoever had it in hand repeats it, or nobody does and the next sweep finds out. Both ends must be as if
nothing had happened. Nothing here is listed by hand but the flows: which requests change the world, which method of
which port makes them, and which use cases and commands there are, is found out.
"""

import asyncio
import logging
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from guardrails.decisions.heads import head
from guardrails.decisions.row import Row
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.notices.notice import Kind
from guardrails.register.verify_record import check_record
from tests.battery import record, triggers
from tests.battery.flows import FLOWS, Flow, ruleset_of
from tests.battery.line import Died
from tests.battery.loop import VirtualLoop, run
from tests.battery.stage import HOUR, USE_CASES, After, Stage, commands, coroutines
from tests.battery.worker import port_methods

REST: Final = 2 * HOUR
"""How long it goes on at the end, when nobody dies any more."""


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One play of a flow in which a process dies at one request, and what follows."""

    flow: str
    where: str
    effect: int
    when: str
    after: str

    def __str__(self) -> str:
        return f"{self.flow}/{self.where}/{self.effect}/{self.when}/{self.after}"


@dataclass(frozen=True, slots=True)
class Result:
    """What must not depend on crashes: what Azure and the register have of each exemption, and the register's rest.

    `notices`: each notice that a route took, once, by route and kind; not that a sweep is late, for a crash takes time.
    `rulesets`: which came into force, by the record, each with the mode.
    """

    exemptions: tuple[Any, ...]
    notices: tuple[tuple[str, str], ...]
    dead_letters: tuple[str, ...]
    bypasses: tuple[tuple[str, bool], ...]
    covered: tuple[str, ...]
    open: bool
    rulesets: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a play ended. `again`: how often a notice came once more to its route, at the most; `wrong`: what is broken
    in itself, a sentence each; the rest as in Stage.
    """

    result: Result
    again: int
    wrong: tuple[str, ...]
    effects: tuple[str, ...]
    reached: frozenset[str]
    called: frozenset[str]
    commands: frozenset[str]
    died: bool


@dataclass(slots=True)
class Seen:
    """What plays of the matrix came by.

    Attributes:
        flows, effects, runs: how many.
        reached: the ports' methods that made a request; `changing`: those that changed the world.
        crashed: those at which a process died, each with before or after.
        called, commands: as in Stage.
    """

    flows: set[tuple[str, str]] = field(default_factory=set)
    effects: int = 0
    runs: int = 0
    reached: set[str] = field(default_factory=set)
    changing: set[str] = field(default_factory=set)
    crashed: set[tuple[str, str]] = field(default_factory=set)
    called: set[str] = field(default_factory=set)
    commands: set[str] = field(default_factory=set)

    def add(self, ending: Ending) -> None:
        """Take note of a play."""
        self.runs += 1
        self.reached |= ending.reached
        self.called |= ending.called
        self.commands |= ending.commands

    def join(self, other: "Seen") -> None:
        """Take note of what others saw."""
        self.effects += other.effects
        self.runs += other.runs
        for name in ("flows", "reached", "changing", "crashed", "called", "commands"):
            getattr(self, name).update(getattr(other, name))

    def gaps(self) -> list[str]:
        """Return what no flow comes by, a sentence each: of the ports, the use cases and the command line."""
        methods = {f"{port}.{method}" for port, names in port_methods().items() for method in names}
        cases = {f"{kind.__name__}.{name}" for kind in USE_CASES for name in coroutines(kind)}
        found = [f"no flow calls {name}" for name in sorted(methods - self.reached)]
        found += [f"no flow is set off by {name}" for name in sorted(cases - self.called)]
        found += [f"no flow has the command `{name}`" for name in sorted({*commands()} - self.commands)]
        found += ["a request changes the world outside of all ports"] if "" in self.changing else []
        return found + [
            f"no process dies {when} a request of {name}"
            for name in sorted(self.changing)
            for when in ("before", "after")
            if (name, when) not in self.crashed
        ]

    def __str__(self) -> str:
        return f"{len(self.flows)} flows, {self.effects} effects, {self.runs} runs"


def play(name: str, where: str, effect: int = 0, when: str = "", after: After = After.REPEATED) -> Ending:
    """Play a flow; `effect`: the number of the request at which the process dies, 0 for none."""
    flow = FLOWS[name]

    async def main(loop: VirtualLoop) -> Ending:
        loop.set_exception_handler(_unless_died)
        with tempfile.TemporaryDirectory() as folder:
            stage = Stage(
                loop, ruleset_of(flow), where, Path(folder), crc32(f"{name}/{where}".encode()), sizes=flow.sizes
            )
            return await _play(stage, flow, effect, when, after)

    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        return run(crc32(name.encode()), main)
    finally:
        logging.disable(level)


def _unless_died(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say what nobody waits for any more, but that a process died."""
    if not isinstance(context.get("exception"), Died):
        loop.default_exception_handler(context)


async def _play(stage: Stage, flow: Flow, effect: int, when: str, after: After) -> Ending:
    if not flow.fresh:
        await stage.sweep()
        await stage.go_on(60)
    await flow.prepare(stage)
    before = len(stage.cloud.delivered)
    stage.watch(after)
    deaths = stage.worker.deaths
    if effect:
        stage.worker.line.die_at(effect, after=when == "after")
    await flow.act(stage)
    if not stage.woken and not stage.cloud.events:
        await stage.sweep()
    await stage.go_on(flow.seconds)
    stage.look_away()
    died = stage.worker.deaths > deaths
    if not died:
        stage.worker.start()
    stage.after = After.REPEATED
    await stage.go_on(REST)
    if after is not After.REPEATED or flow.swept:
        await stage.sweep()
        await stage.go_on(max(REST, flow.seconds))
    wrong: list[str] = []
    result, again = await _result(stage, before, wrong)
    effects = tuple(sent.port for sent in stage.effects)
    return Ending(
        result, again, tuple(wrong), effects, frozenset(stage.reached), frozenset(stage.called),
        frozenset(stage.commands), died,
    )  # fmt: skip


async def _result(stage: Stage, before: int, wrong: list[str]) -> tuple[Result, int]:
    register = stage.worker.service.register
    notices: Counter[tuple[str, str, str]] = Counter()
    for _, route, notice in stage.cloud.delivered[before:]:
        if notice.kind is Kind.DIGEST and (kept := await register.digest_items.kept(notice.id)):
            notices.update((route, str(entry["kind"]), str(entry["id"])) for entry in kept.entries)
        else:
            notices[route, notice.kind, "" if notice.id.startswith("test-") else notice.id] += 1
    state = await register.breaker(stage.cloud.now())
    bypasses = [(str(one.bypass.kind), one.gone is None) async for one in register.bypasses.rows()]
    result = Result(
        tuple([await _of_one(stage, one, wrong) for one in stage.ids]),
        tuple(sorted((route, kind) for route, kind, _ in notices if kind != Kind.SWEEP_LATE)),
        tuple(
            sorted(
                dead_letter.source
                for dead_letter in await register.dead_letters()
                if Kind.SWEEP_LATE not in dead_letter.payload
            )
        ),
        tuple(sorted(bypasses)),
        tuple(sorted(await register.sweeps.covered())),
        state.opened_at is not None,
        tuple([(one.sha256, one.mode) for one in await register.record.changes()]),
    )
    noticed = any(kind == Kind.REGISTER_ALTERED for _, kind in result.notices)
    wrong += await _of_record(stage, noticed=noticed)
    return result, max(notices.values(), default=1) - 1


async def _of_record(stage: Stage, *, noticed: bool) -> list[str]:
    """Return what is wrong with the record: in itself, with a sweep's report, or with what it has of histories.

    `noticed`: a notice said that the register is altered, such as that it lacks a history.
    """
    register = stage.worker.service.register
    record = check_record(await register.backup.record())
    found = [f"the record: {problem}" for problem in record.problems]
    found += [f"the record: sweep {one.seq} has no report" for one in record.sweeps if not one.said.get("report")]
    for one in () if noticed else stage.ids:
        entries = {head(entry.seq, entry.hash) for entry in await register.history(one)}
        found += [f"{one.name}: {problem}" for problem in record.compare(one.hash, entries)]
    return found


async def _of_one(stage: Stage, one: ExemptionId, wrong: list[str]) -> Any:
    register, body = stage.worker.service.register, stage.cloud.body(one)
    wrong += [f"{one.name}: {problem}" for problem in await register.verify(one)]
    stored = await register.read(one)
    if stored is None:
        return one.name, _said(body), None
    row = stored.row
    if row.intent or row.outbox:
        wrong.append(f"{one.name}: something begun was not ended: {row.intent} {row.outbox}")
    undo = _said(await register.body(one, row.undo)) if row.undo is not None else None
    entry = stage.cloud.arm.store.get(one.scope.lower())
    tag = dict((entry.json().get("tags") if entry else None) or {}).get(f"guardrails-exemption-{one.name}", "")
    return one.name, _said(body), tag, _known(row), undo


def _said(body: Any) -> Any:
    """Return what an exemption says, without the times that depend on when it was written."""
    if body is None:
        return None
    properties = dict(body["properties"])
    metadata = dict(properties.pop("metadata", {}))
    if "guardrails" in metadata:
        metadata["guardrails"] = {key: value for key, value in metadata["guardrails"].items() if key != "since"}
    properties.pop("expiresOn", None)
    return properties, metadata


def _known(row: Row) -> dict[str, Any]:
    """Return what the register knows that does not depend on when it came to know it."""
    same = (
        "status",
        "answer",
        "author",
        "held",
        "kept_why",
        "scope_tagged",
        "lost_by",
        "lost_untold",  # stored name
        "claimed",
        "evaded",
    )
    there = ("blocked", "kept", "due", "compliant", "hold", "lost", "settled", "adopted", "undo")
    many = ("reverts", "restored", "fought", "refused")
    known = {name: getattr(row, name) for name in same} | {"findings": sorted(row.findings)}
    known |= {name: bool(getattr(row, name)) for name in there}
    return known | {name: value if isinstance(value := getattr(row, name), int) else len(value) for name in many}


@cache
def undisturbed(name: str, where: str) -> Ending:
    """Return how a flow ends in which nobody dies."""
    return play(name, where)


@cache
def never(name: str, where: str) -> Ending:
    """Return how it ends where nobody hears of what sets it off, and a sweep comes."""
    return play(name, where, after=After.NEVER)


def places(names: Iterable[str] = ()) -> list[tuple[str, str]]:
    """Return the flows, each with where it is played: all, or those that are named as in `entries`."""
    wanted = [name.split("/") for name in names]
    every = [(name, where) for name, flow in FLOWS.items() for where in flow.scopes]
    return [place for place in every if not wanted or any(_fits(place, one) for one in wanted)]


def entries(names: Iterable[str] = ()) -> Iterator[Entry]:
    """Yield the entries of all flows, or of those that are named: by the flow, and as much more as is given."""
    names = list(names)
    for name, where in places(names):
        for number in range(1, len(undisturbed(name, where).effects) + 1):
            for when, after in product(("before", "after"), (After.REPEATED, After.SWEEPS)):
                entry = Entry(name, where, number, when, after)
                if not names or any(_fits(str(entry).split("/"), one.split("/")) for one in names):
                    yield entry


def _fits(entry: Sequence[str], wanted: Sequence[str]) -> bool:
    return all(one == other for one, other in zip(entry, wanted, strict=False))


def check(entry: Entry, seen: Seen | None = None) -> list[str]:
    """Play an entry; return what is wrong with its end, a sentence each."""
    ever = undisturbed(entry.flow, entry.where)
    ending = play(entry.flow, entry.where, entry.effect, entry.when, After(entry.after))
    if seen is not None:
        seen.add(ending)
        seen.crashed.add((ever.effects[entry.effect - 1], entry.when))
    found = list(ending.wrong)
    if not ending.died:
        found.append("nobody died: the play is not the same each time")
    if ending.again > ever.again + 1:
        found.append(f"one notice came {ending.again} times more")
    if ending.result not in _ends(entry, ever):
        found += _difference(ending.result, ever.result)
    method = ever.effects[entry.effect - 1]
    return [f"{entry} ({method}): {problem}" for problem in found]


def _ends(entry: Entry, ever: Ending) -> Collection[Result]:
    """Return how it may end."""
    if entry.after == After.REPEATED or not FLOWS[entry.flow].unheard:
        return (ever.result,)
    unheard = never(entry.flow, entry.where).result
    # what was done may be done but for the dead letter: a replayed one stays, or nobody is notified of a new one
    swapped = (
        replace(ever.result, dead_letters=unheard.dead_letters),
        replace(unheard, dead_letters=ever.result.dead_letters),
    )
    # what nobody puts back any more is missing by the record, which was put back before it
    missed = [replace(unheard, notices=tuple(sorted((*unheard.notices, (route, Kind.REGISTER_ALTERED)))))
              for route in dict(unheard.notices)]  # fmt: skip
    return (ever.result, unheard, *swapped, *(missed if FLOWS[entry.flow].act is triggers.reinstate else ()))


def _difference(found: Result, wanted: Result) -> list[str]:
    names = [name for name in Result.__slots__ if getattr(found, name) != getattr(wanted, name)]
    out = []
    for name in names:
        here, there = getattr(found, name), getattr(wanted, name)
        if name != "exemptions":
            out.append(f"{name}: {here}, not {there}")
            continue
        for one, other in zip(here, there, strict=True):
            out += [f"{one[0]}: {a}, not {b}" for a, b in zip(one[1:], other[1:], strict=False) if a != b]
    return out


def few() -> list[str]:
    """Return each flow with one scope, as `entries` takes them. Names alone decide, here and in `sample`."""
    return [f"{name}/{flow.scopes[crc32(name.encode()) % len(flow.scopes)]}" for name, flow in FLOWS.items()]


def sample() -> list[Entry]:
    """Return few entries: one of each flow, and one before and after each method of a port that changes the world."""
    every = sorted(entries(few()), key=lambda entry: crc32(str(entry).encode()))
    chosen: dict[object, Entry] = {}
    for entry in every:
        chosen.setdefault((undisturbed(entry.flow, entry.where).effects[entry.effect - 1], entry.when), entry)
    played = {entry.flow for entry in chosen.values()}
    for entry in every:
        if entry.flow not in played:
            chosen.setdefault(entry.flow, entry)
    return sorted(chosen.values())


def short(seen: Seen) -> list[str]:
    """Play a sample; return what is wrong, a sentence each."""
    return _go(places(few()), sample(), seen)


def whole(names: Iterable[str], seen: Seen, say: Callable[[str], object] = str) -> list[str]:
    """Play all entries, or those that are named; return what is wrong, a sentence each, and `say` it at once."""
    names = list(names)
    return _go(places(names), entries(names), seen, say)


def _go(
    played: Iterable[tuple[str, str]], chosen: Iterable[Entry], seen: Seen, say: Callable[[str], object] = str
) -> list[str]:
    for place in played:
        ending = undisturbed(*place)
        seen.add(ending)
        seen.flows.add(place)
        seen.effects += len(ending.effects)
        seen.changing |= {*ending.effects}
    found = []
    for entry in chosen:
        for problem in check(entry, seen):
            say(problem)
            found.append(problem)
    return found


def _everything(say: Callable[[str], object]) -> tuple[Seen, list[str]]:
    """Play all entries, in a process for each core; return what was seen and what is wrong, and `say` it at once."""
    seen, found = Seen(), list[str]()
    with ProcessPoolExecutor(mp_context=get_context("fork")) as pool:  # with the same order of sets as here
        for part, problems in pool.map(_at, places()):
            seen.join(part)
            for problem in problems:
                say(problem)
                found.append(problem)
    return seen, found


def _at(place: tuple[str, str]) -> tuple[Seen, list[str]]:
    seen = Seen()
    return seen, _go([place], entries(["/".join(place)]), seen)


def failures(names: Iterable[str] = ()) -> list[str]:
    """Return what is wrong in all entries, or in those that are named: `tag both`, `tag both/group/3/after/sweeps`."""
    return whole(names, Seen())


def main(argv: Sequence[str]) -> int:
    """Play what is named, or all; print the counts, what is wrong, and how to see each again. Return 1 where it is."""
    if argv:
        seen = Seen()
        found = whole(argv, seen, print)
    else:
        seen, found = _everything(print)
        gaps = seen.gaps()
        print(*gaps, sep="\n", end="\n" if gaps else "")
        found += gaps
    for name in dict.fromkeys(problem.partition(" (")[0] for problem in found if "/" in problem):
        print(f'python -m tests.battery matrix "{name}"', file=sys.stderr)
    print(f"crash matrix: {seen}, {len(found)} failures")
    if not argv:
        counts = {"flows": len(seen.flows), "effects": seen.effects, "runs": seen.runs, "broken": found}
        record.keep("matrix", counts)
    return 1 if found else 0
