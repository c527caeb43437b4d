"""From counts, prices and assumptions to a bill: plain arithmetic, no clock, no network."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

_HERE: Final = Path(__file__).parent
ROOT: Final = _HERE.parents[1]
COUNTS: Final = _HERE / "counts.json"
PRICES: Final = _HERE / "prices.json"
ALERTS: Final = ROOT / "infra" / "modules" / "alerts.bicep"
HOST: Final = ROOT / "host.json"
SIZES: Final = (1_000, 10_000, 100_000)
SECONDS: Final = 30 * 24 * 3600
HOURS: Final = 730
HEAD: Final = 56
"""Bytes of the newest entry of an exemption's history in the record, and of one that a later entry replaced."""
_UNITS: Final = {"million": 1e6, "10,000 operations": 1e4}


@dataclass(frozen=True, slots=True)
class Assumed:
    """What is assumed of a tenant, for one month. Change it here, and make the page again.

    Attributes, each with its text on the page: see TEXTS.
    """

    per_subscription: int = 100
    changes: float = 0.5
    bad: float = 0.2
    due: float = 0.3
    reminders: float = 0.05
    targets: int = 20
    writes: int = 200
    entries: int = 8
    memory_gb: float = 2.0
    execution_seconds: float = 1.0
    record_bytes: int = 1000
    host_records: int = 3
    queues: int = 4
    secrets: int = 3
    sweeps: int = 720
    looks: int = 30 * 24 * 60


TEXTS: Final[Mapping[str, str]] = {
    "per_subscription": "exemptions in a subscription",
    "changes": "writes and deletes of each exemption by people and pipelines",
    "bad": "share of these writes that the service reverts. A revert costs the most and raises one more event",
    "due": "scheduled checks of each exemption, by a message on the queue",
    "reminders": "reminders, digests and other notices per exemption",
    "targets": "events about targets per onboarded subscription and day, after the filter of the event subscription",
    "writes": "writes and deletes of any resource, per subscription and day; each is one event and two filter matches",
    "entries": "history entries of each exemption after a year",
    "memory_gb": "memory of an instance in GB (`instanceMemoryMB`)",
    "execution_seconds": "seconds billed for each execution (Flex Consumption's minimum); executions never overlap",
    "record_bytes": "bytes of a log record besides its text",
    "host_records": "log records that the Functions host adds to each execution",
    "queues": "number of queues. The host polls each one at the longest interval in host.json",
    "secrets": "secrets in the vault. Each of ten instances reads every secret once a day",
    "sweeps": "sweeps",
    "looks": "requests of a monitor to the health endpoint, one a minute (not in the bill)",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the bill: how many units, and what they cost after what is free."""

    what: str
    unit: str
    quantity: float
    cost: float


@dataclass(frozen=True, slots=True)
class Data:
    """The files."""

    counts: Mapping[str, Any]
    prices: Mapping[str, Any]
    alerts: tuple[int, int, int]
    poll_seconds: float
    assumed: Assumed = Assumed()

    @classmethod
    def read(cls) -> "Data":
        """Read them: counts, prices, the alerts of the deployment and the polling interval of the host."""
        every = re.findall(r"^    every: '(PT\w+)'", ALERTS.read_text(encoding="utf-8"), re.MULTILINE)
        often = sum(one == "PT5M" for one in every)
        (names,) = re.findall(r"values: \[('PutBlob'.*)\]", ALERTS.read_text(encoding="utf-8"))
        interval = json.loads(HOST.read_text(encoding="utf-8"))["extensions"]["queues"]["maxPollingInterval"]
        hours, minutes, seconds = map(int, interval.split(":"))
        return cls(
            counts=json.loads(COUNTS.read_text(encoding="utf-8")),
            prices=json.loads(PRICES.read_text(encoding="utf-8")),
            alerts=(often, len(every) - often, names.count(",") + 1),
            poll_seconds=hours * 3600 + minutes * 60 + seconds,
        )

    def cost(self, name: str, quantity: float, *, free: bool = True) -> Line:
        """Return the line for a quantity: of the price's unit, or of single operations where that is a number.

        `free`: whether the free grant is taken off.
        """
        price = self.prices["prices"][name]
        units = quantity / _UNITS.get(price["unit"], 1)
        paid = max(units - (price.get("free", 0) if free else 0), 0)
        return Line(price["what"], price["unit"], units, paid * price["price"])


def bill(data: Data, size: int) -> list[Line]:
    """Return the monthly bill for `size` exemptions."""
    month = _month(data, size)
    five, fifteen, series = data.alerts
    return [
        data.cost("gb_second", month["gb_seconds"]),
        data.cost("execution", month["executions"]),
        data.cost("table_operation", month["table"]),
        data.cost("table_gb", month["stored_bytes"] / 1e9),
        data.cost("queue_operation", month["queue"]),
        data.cost("event_operation", month["events"]),
        data.cost("log_gb", month["log_bytes"] / 1e9),
        data.cost("vault_operation", data.assumed.secrets * 30 * 10),
        data.cost("alert_5", five),
        data.cost("alert_15", fifteen),
        data.cost("alert_metric", series),
    ]


def monitor(data: Data) -> list[Line]:
    """Return what a monitor's requests to the health endpoint add to the bill where the free grants are used up."""
    looks, assumed = data.assumed.looks, data.assumed
    return [
        data.cost("gb_second", looks * assumed.execution_seconds * assumed.memory_gb, free=False),
        data.cost("execution", looks, free=False),
        data.cost("table_operation", looks, free=False),
        data.cost("log_gb", looks * assumed.host_records * assumed.record_bytes / 1e9, free=False),
    ]


def options(data: Data) -> list[Line]:
    """Return what is off by default, for a month."""
    idle = 2 * data.assumed.memory_gb * SECONDS
    return [
        data.cost("always_ready", idle),
        data.cost("hub", 1),
        data.cost("endpoint", 4 * HOURS),
        data.cost("nat", HOURS),
    ]


def _month(data: Data, size: int) -> dict[str, float]:
    """Return what a month comes to: operations, seconds, bytes."""
    assumed, done = data.assumed, data.counts["triggers"]
    sweep = data.counts["sweeps"][str(size)]
    subscriptions = max(size // assumed.per_subscription, 1)
    changes, targets = size * assumed.changes, subscriptions * assumed.targets * 30
    bad = changes * assumed.bad
    times = {
        "edited": changes - bad,
        "reverted": bad,
        "again": bad,
        "queued": size * assumed.due,
        "notice": bad + size * assumed.reminders,
        "target": targets,
    }
    messages = times["queued"] + times["notice"]
    executions = sum(times.values()) + assumed.sweeps
    seconds = sum(times.values()) * assumed.execution_seconds
    seconds += assumed.sweeps * max(sweep["seconds"], assumed.execution_seconds)
    incoming = subscriptions * assumed.writes * 30
    lines, text = (
        sum(count * done[name][kind] for name, count in times.items()) for kind in ("log_lines", "log_bytes")
    )
    records = lines + executions * assumed.host_records
    return {
        "executions": executions,
        "gb_seconds": seconds * assumed.memory_gb,
        "table": sum(count * done[name]["table"] for name, count in times.items()) + assumed.sweeps * sweep["table"],
        "stored_bytes": size * (data.counts["bytes"]["state"] + assumed.entries * data.counts["bytes"]["history"])
        + record_bytes(data, size),
        "queue": sum(count * done[name]["queue"] for name, count in times.items())
        + messages * 3
        + assumed.queues * SECONDS / data.poll_seconds,
        "events": incoming * 3 + changes + bad + targets,
        "log_bytes": text + records * assumed.record_bytes,
    }


def record_bytes(data: Data, size: int) -> float:
    """Return what the record takes at the end of a year: a row a sweep, a head an exemption, and each one replaced."""
    assumed = data.assumed
    return float(12 * assumed.sweeps * data.counts["bytes"]["run"] + HEAD * size * (1 + assumed.entries))


def assumptions(data: Data) -> list[tuple[str, float]]:
    """Return each assumption: what, and how many."""
    return [(TEXTS[one.name], getattr(data.assumed, one.name)) for one in fields(Assumed)]
