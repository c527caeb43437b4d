"""Trouble on request: faults by path and method, latency, throttling; and the counts of what came in."""

import re
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Self

WINDOW_SECONDS = 60.0


@dataclass(slots=True)
class Fault:
    """One kind of trouble.

    `path` and `query` are regular expressions searched in the path and in the query string as it reads decoded
    (`api-version=...&$expand=...`), without regard to case; `method` is an HTTP method or `*`.
    `count` is how many requests it hits (None: all). `status` answers with that instead; `latency` (seconds) waits
    first; `drop` closes the connection without an answer. With `after` the request is carried out before, so that only
    its answer is lost. `instead` answers with what is at another path: as a cache or a rewritten path does.
    """

    path: str = ""
    query: str = ""
    method: str = "*"
    status: int = 0
    code: str = "ServiceUnavailable"
    message: str = "The sandbox was asked to fail."
    retry_after: str = ""
    latency: float = 0.0
    count: int | None = None
    drop: bool = False
    after: bool = False
    instead: str = ""

    def matches(self, method: str, path: str, query: str) -> bool:
        searched = ((self.path, path), (self.query, query))
        return self.method in {"*", method} and all(re.search(one, text, re.IGNORECASE) for one, text in searched)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read a fault from JSON. Raises ValueError for keys that it does not have or a bad pattern."""
        unknown = set(value) - set(cls.__slots__)
        if unknown:
            raise ValueError(f"a fault has no {', '.join(sorted(unknown))}; it has {', '.join(cls.__slots__)}")
        for name in ("path", "query"):
            try:
                re.compile(str(value.get(name, "")))
            except re.error as error:
                raise ValueError(f"{name} is not a regular expression: {error}") from error
        return cls(**value)


class Faults:
    """The faults in force, taken in the order in which they were set."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []
        self.latency = 0.0

    def reset(self) -> None:
        self.rules.clear()
        self.latency = 0.0

    def take(self, method: str, path: str, query: str) -> Fault | None:
        """Return the fault for this request and use up one of its count."""
        for fault in self.rules:
            if fault.matches(method, path, query):
                if fault.count is not None:
                    fault.count -= 1
                    if fault.count <= 0:
                        self.rules.remove(fault)
                return fault
        return None


class Throttle:
    """What is left in this minute of a subscription's or the tenant's requests, as the x-ms-ratelimit headers say.

    The limits are per minute and per kind. Nothing is refused unless `enforce` is set.
    """

    def __init__(self) -> None:
        self._used: Counter[tuple[str, str]] = Counter()
        self._window = 0.0
        self.reset()

    def reset(self) -> None:
        self.limits = {"reads": 11999, "writes": 1199, "deletes": 14999}
        self.enforce = False
        self._used.clear()

    def spend(self, method: str, key: str) -> tuple[str, int]:
        """Count one request; return the header that describes it and what is left, below zero when over."""
        now = time.monotonic()
        if now - self._window >= WINDOW_SECONDS:
            self._window = now
            self._used.clear()
        kind = "reads" if method == "GET" else "deletes" if method == "DELETE" else "writes"
        who = key[:51] if key.startswith("/subscriptions/") else "tenant"
        self._used[who, kind] += 1
        name = "tenant" if who == "tenant" else "subscription"
        return f"x-ms-ratelimit-remaining-{name}-{kind}", self.limits[kind] - self._used[who, kind]

    def seconds_left(self) -> int:
        """Return the whole seconds until the window ends."""
        return max(1, round(WINDOW_SECONDS - (time.monotonic() - self._window)))


@dataclass(slots=True)
class GraphTrouble:
    """What goes wrong with Resource Graph on request.

    `largest` is how many rows an answer may have (0: any number). `limit_hit` says that there are too many
    subscriptions. `extra` are raw rows among the exemptions. `fail` makes queries for exemptions that start at row
    `start` answer with `status` so many `times`; status 200 is an answer that breaks off. `skew` is by how many
    seconds the Date header is off. `quota` allows `limit` queries in `seconds`, by the stand-in's clock; setting it
    fills it up. `without` are columns that no table has, `absent` tables that are not there, `closed` those that nobody
    may query. `silent` gives no tokens and says that the result was cut. `nulls` shows fields of rows as null, `drops`
    leaves them out: both map a path such as `properties.expiresOn` to a regular expression, searched in the ids of the
    rows without regard to case ("" for all rows).
    """

    largest: int = 0
    limit_hit: bool = False
    extra: list[Any] = field(default_factory=list)
    fail: dict[str, int] = field(default_factory=dict)
    skew: float | None = None
    quota: dict[str, int] = field(default_factory=dict)
    without: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    silent: bool = False
    nulls: dict[str, str] = field(default_factory=dict)
    drops: dict[str, str] = field(default_factory=dict)

    def set(self, values: dict[str, Any]) -> None:
        """Set what is named. Raises ValueError for what is not there to be set."""
        unknown = set(values) - set(self.__slots__)
        if unknown:
            raise ValueError(f"graph has no {', '.join(sorted(unknown))}; it has {', '.join(self.__slots__)}")
        for name, value in values.items():
            setattr(self, name, value)

    def spoil(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row without what `nulls` and `drops` take from it."""
        for fields, gone in ((self.nulls, False), (self.drops, True)):
            for path, pattern in fields.items():
                if re.search(pattern, str(row["id"]), re.IGNORECASE):
                    row = _without(row, path.split("."), gone=gone)
        return row

    def fails(self, start: int) -> int:
        """Return the status with which a page that starts there fails, and count it; 0 where it does not."""
        if not self.fail.get("times") or self.fail.get("start", 0) != start:
            return 0
        self.fail = self.fail | {"times": self.fail["times"] - 1}
        return self.fail.get("status", 500)


def _without(row: Any, path: list[str], *, gone: bool) -> Any:
    name, *rest = path
    if not isinstance(row, dict) or name not in row:
        return row
    if rest:
        return row | {name: _without(row[name], rest, gone=gone)}
    return {key: value for key, value in row.items() if key != name} if gone else row | {name: None}


@dataclass(frozen=True, slots=True)
class Seen:
    """One request in the log: time in Unix seconds, duration in milliseconds with any latency asked for."""

    at: float
    method: str
    path: str
    status: int
    milliseconds: float
    caller: str


class Log:
    """The last requests, and counts by method and type: `GET policyExemptions`, `LIST policyExemptions` ..."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.requests: deque[Seen] = deque(maxlen=20000)

    def reset(self) -> None:
        self.counts.clear()
        self.requests.clear()
