"""The figures of the scan: 20,000 exemptions in 40 subscriptions, read and judged, against the same read alone.

python -m tests.bench_scan 20000        what `make bench` does, for one size

Both make the same requests with the same clients, as many at once, and parse each answer; every answer comes after
20 ms, sooner than Azure's. What judging takes by itself is a figure of its own, in seconds of processor time: that does
not depend on how long Azure takes.
"""

import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_DNS, uuid5

import aiohttp

from guardrails.azure.arm import ArmRest
from guardrails.azure.graph import Graph
from guardrails.azure.identity import Remembered, credential
from guardrails.cli.main import main
from guardrails.exemption.facts import Unread
from guardrails.exemption.times import spell_time
from guardrails.report.reading import AT_ONCE
from guardrails.report.survey import survey
from guardrails.ruleset.model import load_ruleset
from guardrails.wiring import SystemClock
from sandbox.stack import ROOT, _end, _spawn
from sandbox.tenant import AUTHORIZATION

SUBSCRIPTIONS: Final = 40
RUNS: Final = 5
LATENCY: Final = 0.02

_AUDIENCE: Final = "https://management.azure.com"
_GROUP: Final = "/providers/Microsoft.Management/managementGroups/unit"
_CHUNK: Final = 5_000


def tenant(size: int) -> Iterator[dict[str, Any]]:
    """Yield what to seed: a management group with ten initiatives, 40 subscriptions, and exemptions at three levels.

    One of ten has no end, another one is a whole subscription's. Texts are of the length that people write.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    yield {"id": _GROUP, "body": {"properties": {"displayName": "Unit"}}}
    assignments = []
    for number in range(10):
        definitions = [f"{AUTHORIZATION}/policyDefinitions/rule-{number}-{n}" for n in range(20)]
        members = [
            {"policyDefinitionId": one, "policyDefinitionReferenceId": f"ref{n}"} for n, one in enumerate(definitions)
        ]
        initiative = f"{_GROUP}{AUTHORIZATION}/policySetDefinitions/set-{number}"
        assignments.append(f"{_GROUP}{AUTHORIZATION}/policyAssignments/baseline-{number}")
        pinned = {"definitionVersion": "1.*.*"} if number % 2 else {}
        yield {"id": initiative, "body": {"properties": {"version": "1.0.0", "policyDefinitions": members}}}
        yield {"id": assignments[-1], "body": {"properties": {"policyDefinitionId": initiative, **pinned}}}
    subscriptions = [f"/subscriptions/{uuid5(NAMESPACE_DNS, f'unit-{number}')}" for number in range(SUBSCRIPTIONS)]
    for number, one in enumerate(subscriptions):
        yield {"id": one, "body": {"displayName": f"unit-{number}"}}
    for number in range(size):
        place = number // SUBSCRIPTIONS  # in its subscription
        scope = subscriptions[number % SUBSCRIPTIONS]
        scope += f"/resourceGroups/rg-{place % 7}" if place % 10 else ""
        scope += f"/providers/Microsoft.Storage/storageAccounts/st{place % 50}" if place % 10 > 4 else ""
        written = now - timedelta(days=1 + number % 60)
        properties = {
            "policyAssignmentId": assignments[number % len(assignments)],
            "policyDefinitionReferenceIds": [f"ref{number % 20}"],
            "exemptionCategory": "Waiver",
            "displayName": f"Exemption {number}",
            "description": "The uploader of a partner cannot use private endpoints until its next release.",
            "expiresOn": spell_time(now + timedelta(days=40 + number % 260)),
            "metadata": {
                "owner": f"team-{number % 90}@contoso.com",
                "approvalTicket": f"SEC-{number}",
                "approver": "ciso@contoso.com",
                "reviewDate": spell_time(now + timedelta(days=30)),
            },
        }
        if place % 10 == 1:
            del properties["expiresOn"]
        system = {
            "createdBy": "jo@contoso.com", "createdByType": "User", "createdAt": spell_time(written),
            "lastModifiedBy": "jo@contoso.com", "lastModifiedByType": "User", "lastModifiedAt": spell_time(written),
        }  # fmt: skip
        identity = f"{scope}{AUTHORIZATION}/policyExemptions/exemption-{number}"
        yield {"id": identity, "body": {"properties": properties, "systemData": system}}


async def seed(arm: str, size: int) -> None:
    """Fill the stand-in."""
    items = list(tenant(size))
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as http:
        for at in range(0, len(items), _CHUNK):
            async with http.post(f"{arm}/_sandbox/seed", json=items[at : at + _CHUNK]) as answer:
                if answer.status != 200:
                    raise RuntimeError(await answer.text())


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Graph, ArmRest]]:
    """Connect to the tenant that the environment leads to, as the command does."""
    endpoint, clock, identity = os.environ["GUARDRAILS_ARM_ENDPOINT"], SystemClock(), Remembered(credential())
    graph = Graph(endpoint, identity, clock, audience=_AUDIENCE)
    arm = ArmRest(endpoint, identity, clock, audience=_AUDIENCE)
    try:
        yield graph, arm
    finally:
        await asyncio.gather(graph.close(), arm.close(), identity.close())


async def read(graph: Graph, arm: ArmRest) -> int:
    """Make the requests of a scan, as many at once, and parse the answers; return how many exemptions were listed."""
    await graph.surroundings()
    gate, count = asyncio.Semaphore(AT_ONCE), 0

    async def listed(container: str) -> None:
        nonlocal count
        async with gate:
            async for page in arm.list_pages(container):
                if isinstance(page, Unread):
                    raise RuntimeError(page.reason)
                count += len(page)

    lists: dict[str, asyncio.Task[None]] = {}
    async with aclosing(graph.ids()) as pages:
        async for page in pages:
            for container in {str(row["id"]).split("/", 3)[2] for row in page.rows} - lists.keys():
                lists[container] = asyncio.create_task(listed(container))
    await asyncio.gather(*lists.values())
    async with aclosing(graph.tagged(load_ruleset().bypasses.tags)) as pages:
        async for _ in pages:
            pass
    return count


async def compare(size: int) -> None:
    """Read and scan by turns; print the seconds of each, and of their processor time, as JSON."""
    ruleset = load_ruleset()
    taken: dict[str, list[float]] = {"read": [], "read_cpu": [], "scan": [], "scan_cpu": []}

    def took(name: str, since: tuple[float, float]) -> None:
        taken[name].append(time.perf_counter() - since[0])
        taken[f"{name}_cpu"].append(time.process_time() - since[1])

    for _ in range(RUNS):
        async with connected() as (graph, arm):
            started = time.perf_counter(), time.process_time()
            count = await read(graph, arm)
            took("read", started)
        async with connected() as (graph, arm):
            started = time.perf_counter(), time.process_time()
            report = await survey(graph, arm, ruleset, datetime.now(UTC))
            took("scan", started)
        if count != size or report.exemptions != size or report.missing:
            raise RuntimeError(f"not all was seen: {count}, {report.exemptions}, {report.missing}")
    print(json.dumps({name: statistics.median(some) for name, some in taken.items()}))


def peak(target: Path) -> None:
    """Run the command itself, writing a JSON report; print the most memory that it took, MiB."""
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        main(["scan", "--quiet", "--out", str(target)])
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(int(line.split()[1]) / 1024)


async def measure(size: int) -> dict[str, float]:
    """Seed a tenant of `size` exemptions, and have other processes read and scan it."""
    cloud, addresses = await _spawn("cloud", [sys.executable, "-m", "sandbox.cloud"], dict(os.environ))
    try:
        await seed(addresses["arm"], size)
        async with aiohttp.ClientSession() as http:
            await http.put(f"{addresses['arm']}/_sandbox/latency", json={"seconds": LATENCY})
        environment = {
            **os.environ,
            **addresses["environment"],
            "GUARDRAILS_ARM_ENDPOINT": addresses["arm"],
            "GUARDRAILS_ARM_AUDIENCE": _AUDIENCE,
        }
        report = ROOT / "build" / "bench-scan.json"
        report.parent.mkdir(exist_ok=True)
        taken: dict[str, float] = json.loads(await _run(environment, "compare", str(size)))
        mib = float(await _run(environment, "peak", str(report)))
        if json.loads(report.read_text(encoding="utf-8"))["counts"]["exemptions"] != size:
            raise RuntimeError("not all was scanned")
        return {**taken, "mib": mib}
    finally:
        await _end(cloud)


async def _run(environment: dict[str, str], *words: str) -> str:
    command = [sys.executable, "-m", "tests.bench_scan", *words]
    runner = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE)
    out, _ = await runner.communicate()
    if runner.returncode:
        raise RuntimeError("the scan failed; see what it printed above")
    return out.decode()


async def figures() -> list[tuple[str, float, str]]:
    """Return how much longer a scan takes than reading what it reads, medians of several runs, and its memory."""
    found = await measure(20_000)
    return [
        ("scan_ratio_20k", found["scan"] / found["read"], "x"),
        ("scan_judging_cpu_20k", found["scan_cpu"] - found["read_cpu"], "s"),
        ("scan_mib_20k", found["mib"], "MiB"),
    ]


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["compare", size]:
            asyncio.run(compare(int(size)))
        case ["peak", target]:
            peak(Path(target))
        case [size]:
            print(json.dumps(asyncio.run(measure(int(size))), indent=1))
