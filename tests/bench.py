"""The figures: `make bench` prints `bench NAME VALUE UNIT` a line and writes build/bench.json.

Machines differ and are noisy: counts are exact, seconds are medians of several runs.
"""

import asyncio
import json
import logging
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from azure.identity.aio import ManagedIdentityCredential

from guardrails.azure.arm import ArmRest
from guardrails.criteria.table import own_table
from guardrails.criteria.weakened import Criteria
from guardrails.decisions.assess import assess, assess_all
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.facts import Policy
from guardrails.exemption.hint import Hint
from guardrails.exemption.model import Exemption
from guardrails.reconcile.reconcile import Reconciler
from guardrails.reconcile.visit import World
from guardrails.register import queues, table_register
from guardrails.rules.sample import BODY, DENY_PUBLIC, FACTS, REQUIRE_TLS
from guardrails.ruleset.model import DEFAULT_PATH, load_ruleset, parse_ruleset
from guardrails.wiring import SystemClock
from sandbox import tenant
from sandbox.stack import ROOT, RULESET, Sandbox, _end, _spawn
from sandbox.tenant import PIPELINE, exemption_id, furnish, in_days, send, waiver
from tests import bench_check, bench_durable, bench_judging, bench_page, bench_scan, bench_sweep
from tests.criteria import samples
from tests.delivery.flood import flood
from tests.recorder import Recorder
from tools.cost import count

BUILD = ROOT / "build"
EVENT = Path(__file__).parent / "events" / "write.json"
EVENTS = 1000
NOTICES = 10_000


def cold_import() -> Iterator[tuple[str, float, str]]:
    """Time `import function_app` in new processes, compiled files at hand as in a deployed package."""
    code = (
        "import time; t = time.perf_counter(); import function_app; t = time.perf_counter() - t;"
        "peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'));"
        "print(t, int(peak.split()[1]) / 1024)"
    )
    runs = []
    for _ in range(8):
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=ROOT, env=compiled(), check=True, capture_output=True, text=True)  # noqa: S603
        runs.append([float(number) for number in done.stdout.split()])
    yield "import_seconds", statistics.median(run[0] for run in runs[1:]), "s"
    yield "import_mib", max(run[1] for run in runs[1:]), "MiB"


def starting() -> Iterator[tuple[str, float, str]]:
    """Time `--help` and `judge` of one exemption, in times `python -c pass`; they take turns, and share the noise."""
    commands = {"pass": ("-c", "pass"), **commands_of_users()}
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(32):
        for name, words in commands.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, *words], cwd=ROOT, env=compiled(), capture_output=True, check=False)  # noqa: S603
            seconds[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(runs[2:]) for name, runs in seconds.items()}  # the first ones compile
    yield "python_start_seconds", medians["pass"], "s"
    yield "help_ratio", medians["help"] / medians["pass"], "times"
    yield "judge_ratio", medians["judge"] / medians["pass"], "times"


def commands_of_users() -> dict[str, tuple[str, ...]]:
    """Return what a user waits for: the arguments of Python for `--help`, and for `judge` of one exemption."""
    BUILD.mkdir(exist_ok=True)
    file = BUILD / "one.json"
    file.write_text(json.dumps(dict(BODY)), encoding="utf-8")
    program = ("-m", "guardrails")
    return {"help": (*program, "--help"), "judge": (*program, "judge", str(file))}


def compiled() -> dict[str, str]:
    """Return an environment in which Python keeps compiled files, below build/."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(BUILD / "pycache")}


def judging() -> Iterator[tuple[str, float, str]]:
    """Judge 1,000 exemptions, all rules, facts at hand; the best of 12 times."""
    some, ruleset = bench_judging.bodies(), load_ruleset()
    best = min(bench_judging.judged_in(some, ruleset) for _ in range(12))
    yield "judge_per_second", bench_judging.COUNT / best, "/s"


def judging_with_overrides() -> Iterator[tuple[str, float, str]]:
    """Judge 2,000 exemptions at 200 scopes, parsed JSON to findings, with 200 overrides and 50 patterns and with none.

    Half of the overrides go by scope, the others by assignment, initiative, definition, reference id, category or
    severity; 25 of the patterns are exclusions, 25 accepted bypasses. Both rulesets take turns, and so share the noise.
    """
    plain = DEFAULT_PATH.read_text(encoding="utf-8")
    asked = ("assignment", "initiative", "definition", "reference", "policy_category", "severity")
    overrides: list[dict[str, Any]] = []
    for number in range(100):
        wild = ("/subscriptions/*/resourceGroups/team-{}-*", "/subscriptions/{}", "**/storageAccounts/st{}")[number % 3]
        overrides.append({"scope": wild.format(number)})
        overrides.append({asked[number % len(asked)]: f"name-{number}"})
    settings = {"rules": {"expiry-too-far": {"options": {"months": 6}}, "ticket-missing": "alert"}}
    patterns = [{"scope": f"/subscriptions/*/resourceGroups/break-glass-{n}", "reason": "x"} for n in range(25)]
    more = {
        "overrides": [one | settings for one in overrides],
        "exclusions": patterns,
        "bypasses": {"accepted": patterns},
    }
    rulesets = [parse_ruleset(text) for text in (plain, plain + yaml.safe_dump(more))]
    policies = dict.fromkeys((DENY_PUBLIC, REQUIRE_TLS), Policy("Storage", "high"))
    facts = [replace(FACTS, policies=policies) for _ in range(2000)]
    bodies = [
        {**BODY, "id": f"{BODY['id'].replace('/partner-ingestion/', f'/team-{number % 200}-data/')}{number}"}
        for number in range(2000)
    ]
    best = [math.inf, math.inf]
    for _ in range(15):
        for which, ruleset in enumerate(rulesets):
            started = time.process_time()
            for body, known in zip(bodies, facts, strict=True):
                exemption = Exemption.from_arm(body, ruleset.names)
                if ruleset.exclusion_for(exemption.id, known.now) is None:
                    assess(exemption, known, ruleset)
            best[which] = min(best[which], time.process_time() - started)
    yield "override_ratio", best[1] / best[0], "times"


def weakening() -> Iterator[tuple[str, float, str]]:
    """Say which criteria 20,000 exemptions weaken, in times the judging of them; both take turns, and share the noise.

    They are from the Microsoft cloud security benchmark, whose groups are known: a third exempts from all of it, a
    third from one policy of it, a third from two.
    """
    ruleset, assignment = load_ruleset(), samples.assignment_of(samples.BENCHMARK, samples.benchmark_body())
    facts = replace(FACTS, assignment=assignment)
    names = [one["policyDefinitionReferenceId"] for one in samples.benchmark_body()["policyDefinitions"]]
    looked_at = []
    for number in range(20_000):
        chosen = [names[number % len(names)], names[number * 7 % len(names)]][: number % 3]
        properties = {**BODY["properties"], "policyDefinitionReferenceIds": chosen}
        body = {**BODY, "id": BODY["id"] + str(number), "properties": properties}
        looked_at.append((Exemption.from_arm(body, ruleset.names), facts))
    judged, weakened = [], []
    for _ in range(5):
        started = time.process_time()
        assess_all(looked_at, ruleset)
        judged.append(time.process_time() - started)
        criteria, started = Criteria(own_table()), time.process_time()
        for exemption, known in looked_at:
            criteria.by_exemption(exemption, known.assignment)
        weakened.append(time.process_time() - started)
    yield "criteria_ratio", min(weakened) / min(judged), "times"


async def per_event() -> list[tuple[str, float, str]]:
    """Count the requests of one compliant event and of its duplicate, on real parts, caches warm."""
    async with Sandbox() as sandbox:
        await furnish(sandbox)
        os.environ.update({key: sandbox.environment[key] for key in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")})
        table, queue = Recorder(), Recorder()
        clock, connection = SystemClock(), sandbox.azurite.connection_string
        arm = ArmRest(
            sandbox.addresses["arm"], ManagedIdentityCredential(), clock, audience="https://management.azure.com"
        )
        register = table_register.connect(clock=clock, connection_string=connection, table="bench", transport=table)
        outward = queues.connect(connection_string=connection, over=queue)
        world = World(arm, register, outward, clock)
        reconciler = Reconciler(world, lambda: load_ruleset(RULESET))
        await sandbox.control("PUT", "event-subscriptions", [])
        counts = []
        for name in ("warm", "counted"):
            path = exemption_id(tenant.RESOURCE, name)
            await send(sandbox, PIPELINE, "PUT", path, waiver(expiresOn=in_days(90)))
            for _ in range(2):
                await sandbox.control("DELETE", "counters")
                table.take()
                await reconciler.reconcile(ExemptionId.parse(path), Hint("event"))
                seen = await sandbox.control("GET", "counters")
                reads, writes = table.take()
                arm_reads = sum(count for key, count in seen.items() if key.startswith("GET"))
                arm_writes = sum(seen.values()) - arm_reads
                counts.append((arm_reads, reads, writes + queue.take()[1], arm_writes))
        await asyncio.gather(arm.close(), register.close(), outward.close())
    first, again = counts[2], counts[3]
    return [
        ("arm_reads_per_event", first[0], "requests"),
        ("register_reads_per_event", first[1], "requests"),
        ("writes_per_event", first[2] + first[3], "requests"),
        ("writes_per_duplicate", again[2] + again[3], "requests"),
    ]


BEFORE_THE_RECORD = {"new": 3, "again": 2, "edited": 3, "queued": 2, "reverted": 16, "target": 1}
"""Requests to ARM, the table and the queues of each trigger, when there was no record of sweeps and rulesets yet."""


async def requests_of_events() -> list[tuple[str, float, str]]:
    """Count all requests of events, by the functions' own code; raise where one makes more than before the record."""
    counts = (await count.triggers())["triggers"]
    made = {name: sum(counts[name][where] for where in ("arm", "table", "queue")) for name in BEFORE_THE_RECORD}
    if more := {name: number for name, number in made.items() if number > BEFORE_THE_RECORD[name]}:
        raise RuntimeError(f"events make more requests than before the record, {BEFORE_THE_RECORD}: {more}")
    return [("events_requests", made["new"], "requests")]


async def first_event() -> list[tuple[str, float, str]]:
    """Time from the start of a functions host's process to the answer to its first event: a violation, tagged."""
    seconds = []
    async with Sandbox() as sandbox:
        await furnish(sandbox)
        await sandbox.control("PUT", "event-subscriptions", [])
        event = json.loads(EVENT.read_text())
        for number in range(6):
            path = exemption_id(tenant.RESOURCE, f"first-{number}")
            await send(sandbox, PIPELINE, "PUT", path, waiver(expiresOn=in_days(90)))
            command = [sys.executable, "-m", "sandbox.host", "--app", str(ROOT), "--port", "0"]
            started = time.perf_counter()
            process, host = await _spawn("host", command, {**compiled(), **sandbox.environment})
            hook = host["address"] + "/runtime/webhooks/EventGrid?functionName=on_exemption_written"
            body = [{**event, "subject": path, "data": {**event["data"], "resourceUri": path}}]
            async with sandbox.http.post(hook, json=body, headers={"aeg-event-type": "Notification"}) as answer:
                if answer.status != 202:
                    raise RuntimeError(f"the first event was answered {answer.status}")
            seconds.append(time.perf_counter() - started)
            await _end(process)
    return [("first_event_seconds", statistics.median(seconds[1:]), "s")]


async def warm_up(sandbox: Sandbox) -> None:
    """Have one event answered, so that connections and caches are there; `first_event_seconds` is the cold figure."""
    event = json.loads(EVENT.read_text())
    path = exemption_id(tenant.GROUP, "load-0")
    body = [{**event, "subject": path, "data": {**event["data"], "resourceUri": path}}]
    hook = sandbox.addresses["functions"] + "/runtime/webhooks/EventGrid?functionName=on_exemption_written"
    async with sandbox.http.post(hook, json=body, headers={"aeg-event-type": "Notification"}) as answer:
        if answer.status != 202:
            raise RuntimeError(f"the event was answered {answer.status}")


def notices() -> Iterator[tuple[str, float, str]]:
    """Deliver 10,000 notices over one Teams route in virtual time; the sink fails 30 % and stalls 5 %."""
    logging.getLogger("guardrails").setLevel(logging.CRITICAL)  # each failure is a line, and there are thousands
    try:
        yield from flood(NOTICES)
    finally:
        logging.getLogger("guardrails").setLevel(logging.NOTSET)


async def throughput() -> list[tuple[str, float, str]]:
    """Run 1,000 events through the real worker library, ARM answering after 100 ms; count what is not recorded."""
    async with Sandbox() as sandbox:
        await furnish(sandbox)
        await sandbox.control("POST", "eventgrid-pause")
        ids = [exemption_id(tenant.GROUP, f"load-{number}") for number in range(EVENTS)]
        for at in range(0, EVENTS, 50):
            some = (send(sandbox, PIPELINE, "PUT", path, waiver(expiresOn=in_days(90))) for path in ids[at : at + 50])
            await asyncio.gather(*some)
        await sandbox.control("PUT", "latency", {"seconds": 0.1})
        await warm_up(sandbox)
        started = time.perf_counter()
        await sandbox.control("POST", "eventgrid-resume")
        while (await sandbox.control("GET", "eventgrid"))["metrics"]["delivered"] < EVENTS:
            if time.perf_counter() - started > 60:
                break
            await asyncio.sleep(0.1)
        seconds = time.perf_counter() - started
        register = table_register.connect(clock=SystemClock(), connection_string=sandbox.azurite.connection_string)
        async with register:
            known = {stored.row.id.lower() async for stored in register.rows()}
        lost = sum(path.lower() not in known for path in ids)
    return [("events_per_second_100ms", EVENTS / seconds, "/s"), ("events_lost", lost, "events")]


def main() -> int:
    """Measure what is named on the command line, or everything."""
    figures: dict[str, dict[str, Any]] = {}
    measures: dict[str, Any] = {
        "import": cold_import,
        "start": starting,
        "judge": judging,
        "overrides": judging_with_overrides,
        "criteria": weakening,
        "counts": lambda: asyncio.run(per_event()),
        "events": lambda: asyncio.run(requests_of_events()),
        "first": lambda: asyncio.run(first_event()),
        "notices": notices,
        "throughput": lambda: asyncio.run(throughput()),
        "durable": lambda: asyncio.run(bench_durable.figures()),
        "sweep": lambda: asyncio.run(bench_sweep.figures()),
        "scan": lambda: asyncio.run(bench_scan.figures()),
        "check": bench_check.figures,
        "page": lambda: asyncio.run(bench_page.figures()),
    }
    for name in sys.argv[1:] or measures:
        for figure, value, unit in measures[name]():
            figures[figure] = {"value": round(value, 3), "unit": unit}
            print(
                f"bench {figure} {value:.3f} {unit}" if value % 1 else f"bench {figure} {value:.0f} {unit}", flush=True
            )
    BUILD.mkdir(exist_ok=True)
    (BUILD / "bench.json").write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
