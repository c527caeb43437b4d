"""The figures of the sweep: a tenant of any size in the sandbox, swept by a process of its own.

python -m tests.bench_sweep 10000        what `make bench` does, for one size
python -m tests.bench_sweep 10000 rules  the same without and with the rules that look at all exemptions
python -m tests.bench_sweep 10000 record the same without and with the record
"""

import asyncio
import gc
import json
import os
import re
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Final
from unittest.mock import patch

import aiohttp
from azure.identity.aio import ManagedIdentityCredential

from guardrails.azure.arm import ArmRest
from guardrails.azure.graph import Graph
from guardrails.decisions.heads import KeptHeads, Scanned
from guardrails.decisions.record import RecordedSweep, Tip
from guardrails.errors import Retryable
from guardrails.exemption.times import spell_time
from guardrails.notices.notice import Notice
from guardrails.reconcile.visit import World
from guardrails.register import queues, table_register
from guardrails.ruleset.model import DEFAULT_PATH, load_ruleset, parse_ruleset
from guardrails.runtime.garbage import look_seldom
from guardrails.sweep.in_force import InForce
from guardrails.sweep.report import Report
from guardrails.sweep.sweep import Sweeper
from guardrails.wiring import SystemClock
from sandbox.azurite import Azurite
from sandbox.stack import ROOT, _end, _spawn
from sandbox.tenant import AUTHORIZATION
from tests.recorder import Recorder

_CHUNK: Final = 5_000
_TIMES: Final = 15
_AGAIN: Final = 5
_AUDIENCE: Final = "https://management.azure.com"
_PINS: Final = (None, "1.*.*", None, "1.4.*")
"""The pins of assignments, in turn: two of initiatives of the tenant's own, two of built-ins."""
_VERSIONS: Final = {"2.0.0": 5, "1.4.0": 6, "1.0.0": 4}
"""The versions of a built-in, the latest first, and how many members each has."""


def tenant(size: int) -> Iterator[dict[str, Any]]:
    """Yield what to seed: size/100 subscriptions, size/2000 management groups, and exemptions at every level.

    Each subscription has a hundred, of what is assigned to its management group: a few at the subscription, the others
    at groups and resources of their own, a fourth of them of the whole initiative; and one that repeats another.
    """
    chance = Random(4)  # noqa: S311
    now = datetime.now(UTC).replace(microsecond=0)
    groups = [f"unit-{number}" for number in range(max(1, size // 2_000))]
    subscriptions = [str(uuid.UUID(int=chance.getrandbits(128), version=4)) for _ in range(max(1, size // 100))]
    assignments = []
    for number, group in enumerate(groups):
        scope = f"/providers/Microsoft.Management/managementGroups/{group}"
        pin = _PINS[number % len(_PINS)]
        built_in = number % len(_PINS) > 1
        initiative = f"{'' if built_in else scope}{AUTHORIZATION}/policySetDefinitions/set-{number}"
        assignments.append(f"{scope}{AUTHORIZATION}/policyAssignments/baseline-{number}")
        yield {"id": scope, "body": {"properties": {"displayName": group}}}
        yield from _built_in(initiative) if built_in else [_initiative(initiative, "1.0.0", 5)]
        assigned = {"policyDefinitionId": initiative} | ({"definitionVersion": pin} if pin else {})
        yield {"id": assignments[-1], "body": {"properties": assigned}}
    scopes = [f"/providers/Microsoft.Management/managementGroups/{group}" for group in groups]
    for number, one in enumerate(subscriptions):
        yield {"id": f"/subscriptions/{one}", "body": {"displayName": one}}
        yield {"id": f"{scopes[number % len(scopes)]}/subscriptions/{one}", "body": {}}
    for number in range(size):
        turn, place = divmod(number, len(subscriptions))
        pair = turn - 1 if turn == 50 else turn  # in each subscription one is at another's scope and says the same
        if turn < 3 and place % 5 == 0:
            scope = scopes[place % len(scopes)]
        else:
            scope = f"/subscriptions/{subscriptions[place]}"
            scope += f"/resourceGroups/rg-{pair}" if turn > 3 else ""
            scope += f"/providers/Microsoft.Storage/storageAccounts/st{pair}" if pair % 3 == 2 else ""
        written = spell_time(now - timedelta(days=chance.randint(1, 60)))
        properties = {
            "policyAssignmentId": assignments[place % len(assignments)],
            "policyDefinitionReferenceIds": [f"ref{pair % 4}"] if pair % 4 or turn < 4 else [],
            "exemptionCategory": "Waiver",
            "displayName": f"Exemption {number}",
            "description": "The uploader of a partner cannot use private endpoints until its next release.",
            "expiresOn": spell_time(now + timedelta(days=chance.randint(40, 300))),
            "metadata": {
                "owner": f"team-{number % 90}@contoso.com",
                "approvalTicket": f"SEC-{number}",
                "approver": "ciso@contoso.com",
                "reviewDate": spell_time(now + timedelta(days=30)),
            },
        }
        if number % 10 == 0:
            del properties["expiresOn"]
        system = {
            "createdBy": "jo@contoso.com", "createdByType": "User", "createdAt": written,
            "lastModifiedBy": "jo@contoso.com", "lastModifiedByType": "User", "lastModifiedAt": written,
        }  # fmt: skip
        identity = f"{scope}{AUTHORIZATION}/policyExemptions/exemption-{number}"
        yield {"id": identity, "body": {"properties": properties, "systemData": system}}


def _built_in(identity: str) -> Iterator[dict[str, Any]]:
    yield _initiative(identity, *next(iter(_VERSIONS.items())))
    for version, members in _VERSIONS.items():
        yield _initiative(f"{identity}/versions/{version}", version, members)


def _initiative(identity: str, version: str, members: int) -> dict[str, Any]:
    rule = f"{AUTHORIZATION}/policyDefinitions/rule"
    listed = [{"policyDefinitionId": f"{rule}-{n}", "policyDefinitionReferenceId": f"ref{n}"} for n in range(members)]
    return {"id": identity, "body": {"properties": {"version": version, "policyDefinitions": listed}}}


async def seed(arm: str, size: int) -> None:
    """Fill the stand-in."""
    chunk: list[dict[str, Any]] = []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as http:
        for item in [*tenant(size), None]:
            if item is not None:
                chunk.append(item)
            if chunk and (item is None or len(chunk) == _CHUNK):
                async with http.post(f"{arm}/_sandbox/seed", json=chunk) as answer:
                    if answer.status != 200:
                        raise RuntimeError(await answer.text())
                chunk = []


class Unrecorded:
    """A record that keeps nothing, and asks for nothing."""

    async def begin(self, sweep: RecordedSweep, *_: object) -> tuple[Tip, RecordedSweep]:
        return Tip(sweep.started), sweep

    async def end(self, tip: Tip, sweep: RecordedSweep, *_: object) -> tuple[Tip, RecordedSweep]:
        return tip, sweep

    async def use(self, *_: object) -> None:
        raise NotImplementedError

    async def heads(self, _: Tip) -> KeptHeads:
        return KeptHeads()

    async def keep_heads(self, *_: object) -> None:
        raise NotImplementedError

    async def prune(self, tip: Tip, *_: object) -> Tip:
        return tip


@contextmanager
def _without_heads() -> Iterator[None]:
    """Have the scan of the register neither read heads nor note that they are missing."""
    with patch.object(table_register, "_WATCHED", ("watch", "status")), patch.object(Scanned, "add", lambda *_: None):
        yield


class Bench:
    """A sweeper over the tenant that the environment leads to, with a table of its own.

    Args:
        rules: the ruleset's text.
        table: the register's name.
        recorded: whether sweeps are recorded.
    """

    def __init__(self, rules: str = "", table: str = "bench", *, recorded: bool = True) -> None:
        clock, connection, self.arm_address = SystemClock(), os.environ["BENCH_STORAGE"], os.environ["BENCH_ARM"]
        self.table, self.queue, self.notices = Recorder(), Recorder(), list[str]()
        identity = ManagedIdentityCredential()
        arm = ArmRest(self.arm_address, identity, clock, audience=_AUDIENCE)
        graph = Graph(self.arm_address, identity, clock, audience=_AUDIENCE)
        register = table_register.connect(clock=clock, connection_string=connection, table=table, transport=self.table)
        outward = queues.connect(connection_string=connection, over=self.queue)
        world = World(arm, register, outward, clock)
        ruleset = parse_ruleset(rules) if rules else load_ruleset()
        self._recorded, record = recorded, register.record if recorded else Unrecorded()
        self._sweeper = Sweeper(
            world, graph, register.sweeps, InForce(lambda: ruleset, record, clock), self._say,
            bypasses=register.bypasses, record=record,
        )  # fmt: skip
        self._parts = (arm, graph, register, outward, identity)
        look_seldom()  # as the app does

    async def _say(self, notice: Notice) -> None:
        self.notices.append(notice.id)

    async def sweep(self) -> tuple[float, Report]:
        """Sweep; return the processor's time that it took, in seconds, and the report."""
        gc.collect()
        cpu = time.process_time()
        with nullcontext() if self._recorded else _without_heads():
            report = await self._sweeper.sweep()
        return time.process_time() - cpu, _checked(report)

    async def patiently(self) -> tuple[float, Report]:
        """Sweep, again where a busy machine lets a connection fail: what was done remains."""
        for _ in range(_AGAIN):
            try:
                return await self.sweep()
            except Retryable as error:
                print(error, file=sys.stderr)
        return await self.sweep()

    async def close(self) -> None:
        await asyncio.gather(*(part.close() for part in self._parts))


async def sweep_thrice() -> None:
    """Sweep the tenant three times, and print what it took as JSON."""
    bench = Bench()
    figures: dict[str, Any] = {}
    async with aiohttp.ClientSession() as http:
        for name in ("first", "second", "unchanged"):  # the second records the histories that the first began
            bench.table.take()
            bench.queue.take()
            bench.notices.clear()
            async with http.delete(f"{bench.arm_address}/_sandbox/counters") as answer:
                await answer.read()
            started = time.perf_counter()
            cpu, report = await bench.sweep()
            seconds = time.perf_counter() - started
            async with http.get(f"{bench.arm_address}/_sandbox/counters") as answer:
                requests = sum((await answer.json()).values())
            reads, writes = bench.table.take()
            figures[name] = {
                "seconds": seconds, "cpu": cpu, "requests": requests, "table_reads": reads, "table_writes": writes,
                "queue_writes": bench.queue.take()[1], "notices": len(bench.notices), "report": report.to_json(),
            }  # fmt: skip
    figures["mib"] = _peak_mib()
    await bench.close()
    print(json.dumps(figures))


async def rules_off_and_on() -> None:
    """Sweep the tenant in turns without and with the rules that look at all exemptions; print what each takes."""
    text = DEFAULT_PATH.read_text(encoding="utf-8")
    without = re.sub(r"^  (duplicate|assignment-not-applicable): alert", r"  \1: off", text, flags=re.MULTILINE)
    if text.count(": off") + 2 != without.count(": off"):
        raise RuntimeError("the shipped ruleset does not have both rules on")
    await _in_turns(Bench(without, "without"), Bench(text, "with"))


async def record_off_and_on() -> None:
    """Sweep the tenant in turns without and with the record; print what each takes."""
    await _in_turns(Bench(table="without", recorded=False), Bench(table="with"))


async def _in_turns(*benches: Bench) -> None:
    """Sweep the tenant with each in turns; print the processor's time and the requests to the table of each."""
    first = [(await bench.patiently())[0] for bench in benches]
    for bench in benches:
        await bench.patiently()  # records what the first began
    taken: list[list[float]] = [[] for _ in benches]
    requests: list[list[int]] = [[] for _ in benches]
    for _ in range(_TIMES):
        for bench, times, asked in zip(benches, taken, requests, strict=True):
            bench.table.take()
            cpu, report = await bench.sweep()
            if report.queued:
                raise RuntimeError(f"something was left to do: {report.queued}")
            times.append(cpu)
            asked.append(sum(bench.table.take()))
    await asyncio.gather(*(bench.close() for bench in benches))
    print(json.dumps({"first": first, "unchanged": taken, "requests": requests}))


def _checked(report: Report | None) -> Report:
    if report is None or report.missing or report.remarks:
        raise RuntimeError(f"the sweep did not see everything: {report and report.to_json()}")
    return report


def _peak_mib() -> float:
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


async def measure(size: int, what: str = "twice") -> dict[str, Any]:
    """Seed a tenant of `size` exemptions, and have another process sweep it: twice, or with and without some rules."""
    cloud, addresses = await _spawn("cloud", [sys.executable, "-m", "sandbox.cloud"], dict(os.environ))
    try:
        async with Azurite() as azurite:
            await seed(addresses["arm"], size)
            environment = {
                **os.environ,
                **addresses["environment"],
                "BENCH_STORAGE": azurite.connection_string,
                "BENCH_ARM": addresses["arm"],
                "BENCH_WHAT": what,
            }
            command = [sys.executable, "-m", "tests.bench_sweep"]
            runner = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE
            )
            out, _ = await runner.communicate()
            if runner.returncode:
                raise RuntimeError("the sweep failed; see what it printed above")
            figures: dict[str, Any] = json.loads(out)
            return figures
    finally:
        await _end(cloud)


async def ratio(size: int, what: str) -> tuple[float, int]:
    """Return how many times the processor's time an unchanged sweep takes with something, and requests it makes more.

    The median of several pairs of sweeps, one right after the other: a machine that does more besides slows down both.
    """
    found = await measure(size, what)
    (off, on), (fewer, more) = found["unchanged"], found["requests"]
    times = float(median(with_it / without for without, with_it in zip(off, on, strict=True)))
    return times, max(one - other for other, one in zip(fewer, more, strict=True))


async def figures() -> list[tuple[str, float, str]]:
    """Return the figures for 10,000 and 100,000 exemptions; the second sweep must find nothing to do."""
    out = []
    out.append(("sweep_rules_cpu_ratio", (await ratio(10_000, "rules"))[0], "times"))
    cost, requests = await ratio(100_000, "record")
    out += [("record_sweep_cost", cost, "times"), ("record_sweep_requests", requests, "requests")]
    for size, name in ((10_000, "10k"), (100_000, "100k")):
        found = await measure(size)
        first, again = found["first"], found["unchanged"]
        if first["report"]["adopted"] != size or again["report"]["seen"] != size:
            raise RuntimeError(f"not all was swept: {first['report']}, {again['report']}")
        out += [
            (f"sweep_first_seconds_{name}", first["seconds"], "s"),
            (f"sweep_unchanged_seconds_{name}", again["seconds"], "s"),
            (f"sweep_mib_{name}", found["mib"], "MiB"),
        ]
        if size == 100_000:
            lease = 4  # the run's row and the record's: begun, and ended with the report; what is more is the heartbeat
            beats = int(again["seconds"] // 40)
            out += [
                ("sweep_unchanged_writes", again["table_writes"] - lease - beats + again["queue_writes"], "writes"),
                ("sweep_unchanged_lease_writes", lease + beats, "writes"),
                ("sweep_unchanged_notices", again["notices"], "notices"),
                ("sweep_requests_per_1000", again["requests"] * 1000 / size, "requests"),
            ]
    return out


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(asyncio.run(measure(int(sys.argv[1]), *sys.argv[2:])), indent=1))
    else:
        works = {"rules": rules_off_and_on, "record": record_off_and_on}
        asyncio.run(works.get(os.environ.get("BENCH_WHAT", ""), sweep_thrice)())
