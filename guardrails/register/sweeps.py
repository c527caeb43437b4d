"""ports.Sweeps on the register's table: what all instances share.

    partition  row      holds
    sweep      run      who sweeps until when, and what the last sweep came to
    sweep      covered  the containers that an earlier sweep saw whole, compressed
    sweep      clock    the message of the second clock that is on its way: when it is due, and its name
    sweep      judged~C what sweeps judged of the exemptions of container C: guardrails.decisions.judged

The lease is a time in a row, taken and held under its ETag: of two that want it, storage lets one win.
"""

import logging
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from sys import intern
from types import NoneType
from typing import Any, Final

from guardrails.dataclass import replace
from guardrails.decisions.judged import Judgements
from guardrails.decisions.parts import EVERYTHING, Span
from guardrails.decisions.schedule import Tick
from guardrails.decisions.watch import Run
from guardrails.exemption.body import canonical_json
from guardrails.exemption.times import parse_time, spell_time
from guardrails.register.columns import BODY_LIMIT, Value, join_bytes, join_text, read_object, split_bytes, split_text
from guardrails.register.keys import COVERED, JUDGED, SWEEP, TICK
from guardrails.register.table import MOST_BYTES, MOST_OPERATIONS, Entity, Rejected, Table, Write

_LOG: Final = logging.getLogger(__name__)
_TIMES: Final = ("started", "until", "adopting", "before")
_SKEW: Final = timedelta(minutes=10)
"""How far ahead of ours another instance's clock may be."""
_SHAPES: Final[Mapping[str, type]] = {
    **dict.fromkeys(("started", "bypasses_told", "late"), str),  # stored name
    **dict.fromkeys(("missing", "remarks", "told", "altered"), list),  # stored name
    **dict.fromkeys(("queued", "odd", "bypasses", "matches"), dict),  # stored name
}
"""What the parts of a report are, where they are anything."""


class Sweeps:
    """The rows of sweeps. Methods raise Retryable where storage is busy or away."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def begin(self, now: datetime, holder: str, lease: timedelta) -> Run | None:
        """Take the lease; None while another run holds it, or where somebody else was quicker."""
        found = await self._table.get(*SWEEP)
        last = None if found is None else _run(found, latest=now + lease + _SKEW)
        if last is not None and last.until is not None and now < last.until:
            return None
        run = Run(
            started=now,
            holder=holder,
            until=now + lease,
            adopting=(last.adopting if last else None) or now,
            before=last.started if last else None,
            report=last.report if last else {},
            etag=last.etag if last else "",
        )
        return await self._keep(run)

    async def beat(self, run: Run, now: datetime, lease: timedelta) -> Run | None:
        """Hold the lease for another while; None where it was lost."""
        return await self._keep(replace(run, until=now + lease))

    async def end(self, run: Run, now: datetime, report: Mapping[str, Any], *, whole: bool) -> None:
        """Give the lease back and keep the report. Where the lease was lost, nothing is kept."""
        ended = replace(run, until=None, report=report, adopting=None if whole else run.adopting)
        kept = await self._keep(ended)
        last = await self.last() if kept is None else None
        if last is not None and last.holder == run.holder:  # only our own heartbeat came between
            kept = await self._keep(replace(ended, etag=last.etag))
        if kept is None:
            _LOG.warning("the sweep that began at %s lost its lease before it ended, at %s", run.started, now)

    async def last(self) -> Run | None:
        """Return the run under way, or the last one. A row that cannot be read counts as none."""
        found = await self._table.get(*SWEEP)
        return None if found is None else _run(found)

    async def covered(self, refused: Callable[[str], object] | None = None) -> Mapping[str, datetime]:
        """Return the containers that an earlier sweep saw whole. What cannot be read counts as not covered.

        `refused` is given a sentence for what cannot be read; the log has it too.
        """
        found = await self._table.get(*COVERED)
        if found is None:
            return {}
        covered: dict[str, datetime] = {}
        try:
            text = zlib.decompressobj().decompress(join_bytes("containers", found), BODY_LIMIT)
            times, wrong = read_object(text), ""
        except (ValueError, zlib.error) as error:
            times, wrong = {}, str(error)
        for name, at in times.items():
            time, why = _time(at)
            if time is None:
                wrong = f"{name}: {why or 'it has no time'}"
            else:
                covered[name] = time
        if wrong:
            said = f"the row of covered containers cannot be read, and is rebuilt: {wrong}"
            _LOG.error("%s", said)
            if refused is not None:
                refused(said)
        return covered

    async def cover(self, covered: Mapping[str, datetime]) -> None:
        """Keep them, whatever was there."""
        text = canonical_json({name: spell_time(at) for name, at in covered.items()})
        columns = split_bytes("containers", zlib.compress(text.encode(), 6))
        await self._table.transact(COVERED[0], [Write("put", COVERED[1], {"count": len(covered), **columns})], "sweep")

    async def judged(self, span: Span = EVERYTHING) -> AsyncIterator[tuple[str, Judgements]]:
        """Yield what earlier sweeps judged, by container. What cannot be read is left out."""
        low, high = JUDGED + span.low, JUDGED + (span.high or "~")
        where = f"PartitionKey eq '{SWEEP[0]}' and RowKey ge '{low}' and RowKey lt '{high}'"
        async for found in self._table.query(where):
            name, text = found["RowKey"].removeprefix(JUDGED), join_text("found", found)
            try:
                yield intern(name), Judgements.read(found.get("since"), join_bytes("entries", found), text)
            except ValueError as error:
                _LOG.error("what was judged of %s was changed outside the service, and is rebuilt: %s", name, error)

    async def keep_judged(self, judged: Mapping[str, Judgements]) -> None:
        """Keep judgements, by container, whatever was there. What is too large for a row is judged each time."""
        group: list[Write] = []
        size = 0
        for container, one in judged.items():
            columns = {"since": str(one.since), **split_text("found", one.found_json())}
            write = Write("put", JUDGED + container, {**columns, **split_bytes("entries", one.to_bytes())})
            if write.too_large():
                write = Write("put", JUDGED + container, {"since": "0", "found": "[]", "entries": b""})
            if group and (len(group) == MOST_OPERATIONS or size + write.size > MOST_BYTES):
                await self._table.transact(SWEEP[0], group, "sweep")
                group, size = [], 0
            group.append(write)
            size += write.size
        await self._table.transact(SWEEP[0], group, "sweep")

    async def tick(self) -> Tick | None:
        """Return the message of the second clock that is on its way. One that cannot be read is due since ever."""
        found = await self._table.get(*TICK)
        if found is None:
            return None
        at, wrong = _time(found.get("at"))
        if at is None:
            _LOG.error(
                "the row of the second clock was changed outside the service, and is rebuilt: %s", wrong or "no time"
            )
        return Tick(at or datetime.fromtimestamp(0, UTC), str(found.get("name")), found["odata.etag"])

    async def expect(self, tick: Tick) -> bool:
        """Remember the message that is on its way, in the place of the one whose etag it has; False where it lost."""
        columns: dict[str, Value] = {"at": spell_time(tick.at), "name": tick.name}
        how = Write("replace", TICK[1], columns, tick.etag) if tick.etag else Write("create", TICK[1], columns)
        try:
            await self._table.transact(TICK[0], [how], "sweep")
        except Rejected:
            return False
        return True

    async def _keep(self, run: Run) -> Run | None:
        """Write the run's row; None where somebody else did since it was read."""
        columns: dict[str, Value] = {
            "holder": run.holder,
            **{name: spell_time(at) if (at := getattr(run, name)) else "" for name in _TIMES},
            **split_text("report", canonical_json(dict(run.report))),
        }
        how = Write("replace", SWEEP[1], columns, run.etag) if run.etag else Write("create", SWEEP[1], columns)
        try:
            etags = await self._table.transact(SWEEP[0], [how], "sweep")
        except Rejected:
            return None
        return replace(run, etag=etags[0])


def _run(found: Entity, *, latest: datetime | None = None) -> Run:
    """Read a run's row. What was damaged in it counts as not said, and is said in its report; its ETag still guards it.

    `latest`: the last moment until which somebody can hold the lease, and at which anything can have begun.
    """
    wrong: list[str] = []
    times: dict[str, datetime | None] = {}
    for name in _TIMES:
        times[name], why = _time(found.get(name))
        if latest is not None and (at := times[name]) is not None and at > latest:
            times[name], why = None, f"{spell_time(at)} is not yet"
        wrong += [f"{name}: {why}"] if why else []
    said: dict[str, Any] = {}
    try:
        said = read_object(join_text("report", found) or "{}")
    except ValueError as error:
        wrong.append(f"report: {error}")
    malformed = [name for name, value in said.items() if not isinstance(value, (_SHAPES.get(name, object), NoneType))]
    wrong += [f"report: {name} is not what a sweep writes" for name in malformed]
    report = {name: value for name, value in said.items() if name not in malformed}
    if wrong:
        text = f"the row of sweeps was changed outside the service, and is rebuilt: {'; '.join(wrong)}"
        _LOG.error("%s", text)
        report["altered"] = [*(report.get("altered") or []), text]
    return Run(
        times["started"] or datetime.fromtimestamp(0, UTC), str(found.get("holder")), times["until"], times["adopting"],
        times["before"], report, found["odata.etag"],
    )  # fmt: skip


def _time(value: object) -> tuple[datetime | None, str]:
    """Return a time of a row, or why it cannot be read."""
    try:
        return parse_time(value), ""
    except ValueError as error:
        return None, str(error)
