"""The cost of an event: CPU of our process and of Cloud Custodian's function, and the seconds from the start of each to
its first event answered; latency and rate of a burst.

    python -m tests.bench_events [--against FOLDER] [--custodian] [--rounds N]

`--against` names the folder of another build, such as a worktree of an older commit: both take turns, and so share the
noise of the machine. Each round of each is a process of its own, with caches warm when its clock starts. The CPU has
nothing of the Functions worker or host, on either side; a burst goes through both.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import yaml

from guardrails.register import table_register
from guardrails.wiring import SystemClock
from sandbox import tenant
from sandbox.identity import TENANT_ID
from sandbox.stack import ROOT, RULESET, Sandbox, _end, _spawn
from sandbox.tenant import PIPELINE, exemption_id, furnish, in_days, send, waiver
from tests.clients.conftest import LISTS, installed

EVENT: Final = Path(__file__).parent / "events" / "write.json"
EVENTS: Final = 60
BURST: Final = 500
WARM: Final = 5
KINDS: Final = ("compliant", "reverted")

CHILD: Final = """
import asyncio, json, sys, time
events = json.load(open(sys.argv[1]))
warm = int(sys.argv[2])
import function_app
async def main():
    for event in events[:warm]:
        await function_app._look_at(event)
    cpu = time.process_time()
    for event in events[warm:]:
        await function_app._look_at(event)
    answered = time.perf_counter()
    print(json.dumps([(time.process_time() - cpu) / (len(events) - warm), answered]))
asyncio.run(main())
"""
"""What a process of ours runs: it imports function_app from the folder that it is started in. See `Spent`."""

type Spent = tuple[float, float]
"""Of a process: CPU seconds per event after the first `warm`, and time.perf_counter(), which is the same for all
processes, when the last one was answered."""


async def measure(against: Path | None, *, custodian: bool, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return figures by name and build, one value for each round.

    CPU per event (ms); seconds from the start of a process to the end of its first event; of a burst, p95 and rate.
    """
    builds = {"this": ROOT, **({"other": against} if against else {})}
    found: dict[str, dict[str, list[float]]] = {}

    def note(figure: str, build: str, value: float) -> None:
        found.setdefault(figure, {}).setdefault(build, []).append(value)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with Sandbox(large_budgets(folder)) as sandbox:
            await furnish(sandbox)
            await sandbox.control("PUT", "event-subscriptions", [])
            await sandbox.stop_functions()
            trust(sandbox, folder)
            peer = await Custodian.ready(sandbox, folder) if custodian else None
            for build, root in builds.items():  # the emulator takes twice the time until it is warm
                await burst(sandbox, root, f"{build}-warm")
            for number in range(rounds):  # before there are notices, which the host would deliver meanwhile
                for build, root in builds.items():
                    p95, rate = await burst(sandbox, root, f"{build}-{number}")
                    note("burst_p95_seconds", build, p95)
                    note("burst_events_per_second", build, rate)
            for number in range(rounds):
                for kind in KINDS:
                    for build, root in builds.items():
                        note(f"cpu_ms_{kind}", build, await cost(sandbox, root, folder, kind, f"{build}-{number}"))
                    if peer:
                        events = await written(sandbox, kind, f"peer-{number}", category="Mitigated")
                        spent, _ = await peer.answer(events)
                        note(f"cpu_ms_{kind}", "custodian", spent * 1000)
                        await check(sandbox, kind, events)
            found["first_event_seconds"] = await first_events(sandbox, builds, peer, folder, rounds)
    return found


async def first_events(
    sandbox: Sandbox, builds: Mapping[str, Path], peer: "Custodian | None", folder: Path, rounds: int
) -> dict[str, list[float]]:
    """Return, for each build and the peer, the seconds from the start of a process to the end of its only event.

    Each has its rules as they are shipped: ours the shipped ruleset, the peer its policy, which it publishes as JSON.
    """
    calls: dict[str, Callable[[list[str]], Awaitable[Spent]]] = {
        build: partial(_ours, sandbox, root, folder, warm=0, GUARDRAILS_RULESET="") for build, root in builds.items()
    }
    if peer:
        calls["custodian"] = partial(peer.answer, warm=0)
    found: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            event, *_ = await written(sandbox, "compliant", f"first-{name}-{number}", count=1)
            began = time.perf_counter()
            _, answered = await call([event])
            found[name].append(answered - began)
    return {name: seconds[1:] for name, seconds in found.items()}  # the first ones compile


async def cost(
    sandbox: Sandbox, root: Path, folder: Path, kind: str, name: str, *, count: int = EVENTS
) -> float:  # fmt: skip
    """Have a new process of a build answer events of a kind; return its CPU milliseconds per event.

    `folder`: for the file of events; `name`: of this round, as no other's.
    """
    events = await written(sandbox, kind, name, count=count)
    await forget_reverts(sandbox)
    spent, _ = await _ours(sandbox, root, folder, events)
    await check(sandbox, kind, events)
    return spent * 1000


def trust(sandbox: Sandbox, folder: Path) -> None:
    """Have every program call ARM over TLS, and trust the one authority that signed its certificate.

    What else the machine trusts costs a process that reads it 50 ms, and would be counted on one side only.
    """
    authority = folder / "ca.pem"
    authority.write_text(sandbox.ca, "ascii")
    sandbox.environment |= {
        "GUARDRAILS_ARM_ENDPOINT": sandbox.addresses["arm_tls"], "SSL_CERT_FILE": str(authority),
        "REQUESTS_CA_BUNDLE": str(authority),
    }  # fmt: skip


class Custodian:
    """Cloud Custodian's function, in its own environment (tests/clients/custodian.txt), on the policy that deletes."""

    def __init__(self, python: str, folder: Path, environment: Mapping[str, str]) -> None:
        self._python, self._folder, self._environment = python, folder, environment

    @classmethod
    async def ready(cls, sandbox: Sandbox, folder: Path) -> "Custodian":
        """Install it if need be, give it an identity, and unpack its function app."""
        client_id, oid = "c0570d1a-0000-4000-8000-0000000000c2", "c0570d1a-0000-4000-8000-0000000000c1"
        await sandbox.control("PUT", "identities", {client_id: {"name": "custodian", "oid": oid}})
        identity = f"{tenant.REPORTING}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/custodian"
        properties = {"clientId": client_id, "principalId": oid, "tenantId": TENANT_ID}
        body = {"location": "westeurope", "properties": properties}
        await sandbox.control("POST", "seed", {"id": identity, "body": body})
        environment = {
            **os.environ, **sandbox.environment, "AZURE_USE_MSI": "1", "AZURE_CLIENT_ID": client_id,
            "AZURE_SUBSCRIPTION_ID": tenant.PROD, "AZURE_TENANT_ID": TENANT_ID,
            "SANDBOX_ARM_TLS": sandbox.addresses["arm_tls"], "HOME": str(folder),
        }  # fmt: skip
        made = cls(str(installed("custodian") / "python"), folder / "custodian", environment)
        await made._run("package", str(LISTS / "custodian.yml"), "mitigations-name-their-evidence", str(made._folder))
        return made

    async def answer(self, events: Sequence[str], *, warm: int = WARM) -> Spent:
        """Have its function answer events, in a process of its own."""
        file = self._folder / "events.json"
        file.write_text(json.dumps(events), "utf-8")
        return _spent(await self._run("cost", str(self._folder), str(file), str(warm)))

    async def _run(self, *words: str) -> str:
        process = await asyncio.create_subprocess_exec(
            self._python, str(LISTS / "custodian.py"), *words, env=self._environment, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip
        said, wrong = await asyncio.wait_for(process.communicate(), 300)
        if process.returncode:
            raise RuntimeError(f"custodian {words[0]}: {wrong.decode()[-500:]}")
        return said.decode().splitlines()[-1]


async def burst(sandbox: Sandbox, root: Path, name: str) -> tuple[float, float]:
    """Send a build's functions host BURST events at once while ARM answers after 100 ms.

    Return the 95th percentile of the seconds from delivery to answer, and the events per second.
    """
    events = await written(sandbox, "compliant", f"burst-{name}", count=BURST)
    command = [sys.executable, "-m", "sandbox.host", "--app", str(root), "--port", "0"]
    table = "burst" + name.replace("-", "")  # of its own: the emulator takes longer for each row that is there already
    environment = {**os.environ, **sandbox.environment, "GUARDRAILS_TABLE": table}
    process, host = await _spawn("host", command, environment, folder=root)
    hook = host["address"] + "/runtime/webhooks/EventGrid?functionName=on_exemption_written"

    async def deliver(event: str) -> float:
        began = time.perf_counter()
        headers = {"aeg-event-type": "Notification"}
        async with sandbox.http.post(hook, json=[json.loads(event)], headers=headers) as answer:
            if answer.status != 202:
                raise RuntimeError(f"an event was answered {answer.status}")
        return time.perf_counter() - began

    try:
        for event in events[:WARM]:
            await deliver(event)
        await sandbox.control("PUT", "latency", {"seconds": 0.1})
        began = time.perf_counter()
        seconds = await asyncio.gather(*map(deliver, events[WARM:]))
        whole = time.perf_counter() - began
    finally:
        await sandbox.control("PUT", "latency", {"seconds": 0})
        await _end(process)
    return sorted(seconds)[int(0.95 * len(seconds))], BURST / whole


def large_budgets(folder: Path) -> Path:
    """Write the sandbox's ruleset with budgets that no run uses up."""
    ruleset = yaml.safe_load(RULESET.read_text("utf-8"))
    ruleset["breaker"] = {"reverts_per_hour": 5000, "reverts": {"author": 5000, "subscription": 5000}}
    path = folder / "ruleset.yaml"
    path.write_text(yaml.safe_dump(ruleset), "utf-8")
    return path


async def written(
    sandbox: Sandbox, kind: str, name: str, *, count: int = EVENTS, category: str = "Waiver"
) -> list[str]:
    """Write exemptions of a kind, each a new one; return the text of their events.

    Ours reverts what has no end, Custodian's policy deletes a mitigation (`category`) that names no evidence.
    """
    group = f"{tenant.SUBSCRIPTION}/resourceGroups/{kind}-{name}"  # one of its own: a scope takes 1,000 exemptions
    await sandbox.control("POST", "seed", {"id": group, "body": {"location": "westeurope"}})
    ids = [exemption_id(group, str(at)) for at in range(count + WARM)]
    good = kind == "compliant"
    evidence = {**tenant.APPROVAL, **({"evidence": "WAF-77"} if good else {})}
    body = waiver(expiresOn=in_days(90) if good else None, exemptionCategory=category, metadata=evidence)
    for at in range(0, len(ids), 50):
        done = await asyncio.gather(*(send(sandbox, PIPELINE, "PUT", path, body) for path in ids[at : at + 50]))
        if refused := [one for one in done if one[0] not in (200, 201)]:
            raise RuntimeError(f"exemptions could not be written: {refused[0]}")
    return [event_of(path) for path in ids]


async def forget_reverts(sandbox: Sandbox) -> None:
    """Empty the breaker's row: what it holds of other rounds would make each revert dearer."""
    clock = SystemClock()
    async with table_register.connect(clock=clock, connection_string=sandbox.connection_string) as register:
        await register.close_breaker(clock.now())


async def check(sandbox: Sandbox, kind: str, events: Sequence[str]) -> None:
    """Raise RuntimeError where an event was not answered as its kind is."""
    for event in (events[0], events[-1]):
        status, _ = await send(sandbox, PIPELINE, "GET", json.loads(event)["subject"])
        if (status == 404) != (kind == "reverted"):
            raise RuntimeError(f"the exemption of an event ({kind}) was answered {status} afterwards")


def event_of(path: str) -> str:
    """Return the event of a write, as the trigger gets it."""
    event = json.loads(EVENT.read_text("utf-8"))
    return json.dumps({**event, "subject": path, "data": {**event["data"], "resourceUri": path}})


async def _ours(
    sandbox: Sandbox, root: Path, folder: Path, events: Sequence[str], *, warm: int = WARM, **settings: str
) -> Spent:
    """Have a process of a build answer events; `settings` replace the sandbox's."""
    file = folder / "events.json"
    file.write_text(json.dumps(events), "utf-8")
    kept = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / root.name / "pycache")}
    environment = {**os.environ, **sandbox.environment, **settings, **kept}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(file), str(warm), cwd=root, env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), 300)
    return _spent(said.decode())


def _spent(said: str) -> Spent:
    cpu, answered = json.loads(said)
    return float(cpu), float(answered)


def summary(found: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, Any]:
    """Return medians and the spread (least and most) of each figure."""
    return {kind: {name: _spread(runs) for name, runs in of.items()} for kind, of in found.items()}


def _spread(runs: Sequence[float]) -> list[float]:
    return [round(value, 2) for value in (statistics.median(runs), min(runs), max(runs))]


def main() -> int:
    """Measure, and print medians with the least and the most of each figure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--against", type=Path)
    parser.add_argument("--custodian", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    found = asyncio.run(measure(given.against, custodian=given.custodian, rounds=given.rounds))
    print(json.dumps(summary(found), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
