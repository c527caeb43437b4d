"""The ruleset: which rule applies where, with which options, and what follows a breach. Pure but for reading its file.

A ruleset is one YAML file. It is used whole or not at all: an empty, missing, half-written or mistaken file raises
Misconfigured with every mistake and its line, and the caller then acts on nothing.
"""

import fnmatch
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from guardrails.errors import Misconfigured
from guardrails.exemption import Exemption, ExemptionId, Names, parse_time
from guardrails.expiry import DAYS, REVIEW_DAYS
from guardrails.notice import SERVICE, SEVERITIES, Kind, Notice
from guardrails.rules import all_rules
from guardrails.rules.base import Rule, Severity
from guardrails.ruleset_conflicts import KindFacts
from guardrails.ruleset_schema import CHATS, load

DEFAULT_PATH = Path(__file__).with_name("ruleset.yaml")

KINDS: Mapping[str, KindFacts] = {
    kind: KindFacts(tuple(map(str, SEVERITIES[kind])), about_one=kind not in SERVICE) for kind in Kind
}
"""What the check of a ruleset must know of the kinds of notices."""

_ALWAYS: tuple[bool, ...] = (True,)


class Mode(StrEnum):
    """Whether plans are carried out."""

    AUDIT = "audit"
    ENFORCE = "enforce"


class Response(StrEnum):
    """What follows a violation."""

    ALERT = "alert"
    TAG = "tag"
    REVERT = "revert"


@dataclass(frozen=True, slots=True)
class BoundRule:
    """A rule as it applies at one place: its options and what follows."""

    rule: Rule
    options: Any
    response: Response
    grace: timedelta
    severity: Severity


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Exemptions that are left alone. `expires` is UTC; None means until it is taken out of the file."""

    scope: str
    reason: str
    expires: datetime | None
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Owner:
    """A protected owner: known by metadata (every key must match its glob) or by the author's identity.

    `restore`: whether we put back what is theirs; else that is left to their tool.
    """

    name: str
    metadata: tuple[tuple[str, re.Pattern[str]], ...]
    authors: frozenset[str]
    restore: bool = False

    def owns(self, exemption: Exemption, author: str) -> bool:
        """Whether the exemption is this owner's. `author` is the last writer who was not us."""
        if author and author.lower() in self.authors:
            return True
        said = exemption.metadata
        return bool(self.metadata) and all(
            isinstance(said.get(key), str | int) and pattern.fullmatch(str(said[key])) is not None
            for key, pattern in self.metadata
        )


class Keep(StrEnum):
    """Which exemptions are put back when they are gone: none; all but what somebody deleted who may; all."""

    NEVER = "never"
    COLLATERAL = "collateral"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Durability:
    """Whether approved exemptions survive.

    Attributes:
        keep: for all; `scopes`, by a glob on the id, go before it, the last that fits first.
        wait: how long a deleted one is left alone, for half of a pipeline's replace is a delete.
        times, window: so many restores within so long are a fight, and end in an alert.
    """

    keep: Keep = Keep.NEVER
    scopes: tuple[tuple[re.Pattern[str], Keep], ...] = ()
    wait: timedelta = timedelta(minutes=15)
    times: int = 3
    window: timedelta = timedelta(days=1)

    def mode_for(self, exemption_id: ExemptionId) -> Keep:
        """Return what goes for an exemption."""
        found = [keep for pattern, keep in self.scopes if pattern.fullmatch(exemption_id.key)]
        return found[-1] if found else self.keep


@dataclass(frozen=True, slots=True)
class Tagging:
    """Where the answer `tag` writes."""

    exemption: bool = True
    scope: bool = False
    protected: bool = False


class Digest(NamedTuple):
    """When a route gathers: the first notices of a window go at once, the rest as one message at its end."""

    first: int = 5
    window: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Route:
    """Who is told: a channel, the settings that hold its address and secret, and which notices it wants.

    A filter that is empty lets everything pass; a notice must pass them all. What is about no exemption passes no
    filter on scopes, subscriptions or owners.

    Attributes:
        scopes: globs on the exemption's id; a scope covers all below it.
        subscriptions: ids, in lower case.
        owners: globs on the exemption's owner, whatever its case.
        default: whether it also gets what no route wants.
        digest: how it gathers; None where every notice goes at once.
    """

    name: str
    channel: str
    address_setting: str
    secret_setting: str = ""
    kinds: tuple[str, ...] = ()
    min_severity: str = "info"
    scopes: tuple[str, ...] = ()
    subscriptions: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    default: bool = False
    digest: Digest | None = None

    def wants(self, notice: Notice) -> bool:
        """Whether a notice goes this way by its own merits; see `Ruleset.default_routes` for what is left over."""
        if self.kinds and notice.kind not in self.kinds:
            return False
        if Severity(notice.severity).rank > Severity(self.min_severity).rank:
            return False
        key = str(notice.exemption.get("id") or "").lower()
        if not key and (self.scopes or self.subscriptions or self.owners):
            return False
        if self.scopes and not any(glob(scope).fullmatch(key) for scope in self.scopes):
            return False
        if self.subscriptions and not key.startswith(tuple(f"/subscriptions/{one}/" for one in self.subscriptions)):
            return False
        owner = str(notice.exemption.get("owner") or "").strip().lower()
        return not self.owners or any(text_glob(pattern).fullmatch(owner) for pattern in self.owners)


class Person(NamedTuple):
    """Somebody who can be addressed: a Teams user, known by what exemptions name as their owner.

    Attributes:
        owner: a glob on one owner as exemptions name it, whatever its case.
        teams: the Teams user's object id or user principal name.
        name: the name to show.
    """

    owner: str
    teams: str
    name: str


@dataclass(frozen=True, slots=True)
class Ruleset:
    """A ruleset, ready to judge by.

    Attributes:
        digest: 12 hex digits over the file's text; recorded with each decision.
        source: the file's name, for messages.
        reverts_per_hour: the breaker's limit; 0 forbids every revert.
        adopted_until: when exemptions that were there before are answered like any other, UTC; None for never.
        reminder_days, review_days: days before an end, or a review, at which owners are reminded.
        reminder_at: when a day's digest of reminders goes, since midnight UTC.
        review_months: months from one review to the next where no date is named; 0 for none.
        durability: which exemptions are put back when they are gone.
        delete_expired: how long after its end an exemption is deleted; None where it is kept.
        layers: pattern and settings by rule name; the first is for everything, later ones override it where they match.
    """

    digest: str
    source: str
    mode: Mode
    layers: tuple[tuple[re.Pattern[str] | None, Mapping[str, Mapping[str, Any]]], ...]
    exclusions: tuple[Exclusion, ...] = ()
    approved: frozenset[str] = frozenset()
    owners: tuple[Owner, ...] = ()
    names: Names = field(default_factory=Names)
    tagging: Tagging = field(default_factory=Tagging)
    reverts_per_hour: int = 20
    routes: tuple[Route, ...] = ()
    people: tuple[Person, ...] = ()
    adopted_until: datetime | None = None
    reminder_days: tuple[int, ...] = (*DAYS, 0)
    reminder_at: timedelta = timedelta(hours=6)
    review_days: tuple[int, ...] = REVIEW_DAYS
    review_months: int = 3
    delete_expired: timedelta | None = None
    durability: Durability = field(default_factory=Durability)
    _bound: dict[tuple[bool, ...], tuple[BoundRule, ...]] = field(default_factory=dict, compare=False, repr=False)

    def digest_in(self, mode: Mode) -> str:
        """Return the digest as a row keeps it: with the mode behind it where a setting changes that."""
        return self.digest if mode is self.mode else f"{self.digest}+{mode}"

    def rules_for(self, exemption_id: ExemptionId) -> tuple[BoundRule, ...]:
        """Return the rules that are on for this exemption, ordered by code."""
        matched = _ALWAYS
        if len(self.layers) > 1:
            key = exemption_id.key
            matched = tuple(pattern is None or pattern.fullmatch(key) is not None for pattern, _ in self.layers)
        bound = self._bound.get(matched)
        if bound is None:
            chosen = [layer for (_, layer), on in zip(self.layers, matched, strict=True) if on]
            bound = self._bound[matched] = _bind(chosen)
        return bound

    def exclusion_for(self, exemption_id: ExemptionId, now: datetime) -> Exclusion | None:
        """Return the exclusion that covers this exemption today, if there is one."""
        for exclusion in self.exclusions:
            if exclusion.pattern.fullmatch(exemption_id.key) and (exclusion.expires is None or now < exclusion.expires):
                return exclusion
        return None

    def owner_of(self, exemption: Exemption, author: str) -> Owner | None:
        """Return the protected owner of this exemption, if it has one."""
        return next((owner for owner in self.owners if owner.owns(exemption, author)), None)

    def routes_for(self, notice: Notice) -> tuple[Route, ...]:
        """Return the routes that want a notice; none means that it goes to `default_routes`."""
        return tuple(route for route in self.routes if route.wants(notice))

    @property
    def default_routes(self) -> tuple[Route, ...]:
        """The routes for what no route wants: those marked so, else the first one."""
        return tuple(route for route in self.routes if route.default) or self.routes[:1]

    def mentions_for(self, notice: Notice) -> tuple[tuple[str, str], ...]:
        """Return whom to address about a notice, as (name, Teams user): its exemption's owners whom `people` knows.

        An owner's text may name several, separated by commas or semicolons. The first entry that fits each counts.
        """
        found = {person.teams.lower(): (person.name, person.teams) for person in self._people_of(notice)}
        return tuple(found.values())

    def _people_of(self, notice: Notice) -> Iterator[Person]:
        owner = str(notice.exemption.get("owner") or "") if self.people else ""
        for part in re.split("[,;]", owner.lower())[:20]:
            known = (person for person in self.people if text_glob(person.owner).fullmatch(part.strip()))
            if part.strip() and (person := next(known, None)):
                yield person


def load_ruleset(path: Path | None = None) -> Ruleset:
    """Read a ruleset file. Raises Misconfigured with every mistake in it."""
    path = path or DEFAULT_PATH
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _broken(path.name, (f"{path.name}:1:1: cannot be read: {error}",)) from error
    return parse_ruleset(text, path.name)


def parse_ruleset(text: str, name: str = "ruleset.yaml") -> Ruleset:
    """Read a ruleset from text. Raises Misconfigured with every mistake in it."""
    data, problems = load(text, name, KINDS)
    if problems:
        raise _broken(name, tuple(problems))
    tagging, breaker = data.get("tagging", {}), data.get("breaker", {})
    return Ruleset(
        digest=hashlib.sha256(text.encode()).hexdigest()[:12],
        source=name,
        mode=Mode(data["mode"]),
        layers=(
            (None, _layer(data["rules"])),
            *((glob(item["scope"]), _layer(item["rules"])) for item in data.get("overrides", ())),
        ),
        exclusions=tuple(
            Exclusion(item["scope"], item["reason"], parse_time(item.get("expires")), glob(item["scope"]))
            for item in data.get("exclusions", ())
        ),
        approved=frozenset(item.lower() for item in data.get("approved", ())),
        owners=tuple(_owner(item) for item in data.get("owners", ())),
        names=Names({role: tuple(keys) for role, keys in data.get("metadata", {}).items()}),
        tagging=Tagging(**tagging),
        reverts_per_hour=breaker.get("reverts_per_hour", 20),
        routes=tuple(_route(item) for item in data.get("notices", ())),
        people=tuple(Person(owner, item["teams"], item["name"]) for owner, item in data.get("people", {}).items()),
        **_over_time(data),
    )


def _over_time(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a file says of adoption, reminders, reviews and expired exemptions."""
    reminders, reviews = data.get("reminders", {}), data.get("reviews", {})
    hours, minutes = reminders.get("at", "06:00").split(":")
    kept = data.get("expired", {}).get("delete_after_days")
    return {
        "adopted_until": parse_time(data.get("adoption", {}).get("until")),
        "reminder_days": tuple(sorted({*reminders.get("days", DAYS), 0}, reverse=True)),
        "reminder_at": timedelta(hours=int(hours), minutes=int(minutes)),
        "review_days": tuple(sorted(set(reviews.get("days", REVIEW_DAYS)), reverse=True)),
        "review_months": reviews.get("months", 3),
        "durability": _durability(data.get("durability", {})),
        "delete_expired": None if kept is None else timedelta(days=kept),
    }


def _durability(said: Mapping[str, Any]) -> Durability:
    fights, usual = said.get("fights", {}), Durability()
    return Durability(
        Keep(said.get("mode", usual.keep)),
        tuple((glob(item["scope"]), Keep(item["mode"])) for item in said.get("scopes", ())),
        duration(said["wait"]) if "wait" in said else usual.wait,
        fights.get("times", usual.times),
        duration(fights["window"]) if "window" in fights else usual.window,
    )


@lru_cache(maxsize=1024)
def glob(pattern: str) -> re.Pattern[str]:
    """Compile a glob for lower-cased ids: case does not matter, `*` crosses slashes, a scope covers all below it."""
    body = fnmatch.translate(pattern.rstrip("/").lower()).removeprefix("(?s:").removesuffix(")\\Z").removesuffix(")\\z")
    return re.compile(f"(?s:{body})(/.*)?")


@lru_cache(maxsize=1024)
def text_glob(pattern: str) -> re.Pattern[str]:
    """Compile a glob for lower-cased texts, such as owners."""
    return re.compile(fnmatch.translate(pattern.strip().lower()))


def _broken(name: str, problems: tuple[str, ...]) -> Misconfigured:
    return Misconfigured(
        f"the ruleset has {len(problems)} mistake{'s' if len(problems) > 1 else ''}; nothing is done by it",
        code="ruleset-broken",
        subject=name,
        remedy="Mend the lines below; `python -m guardrails rules --ruleset FILE` checks it.",
        problems=problems,
    )


def _layer(rules: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the settings of a `rules` block, its short forms (`off`, `tag`) spelled out."""
    return {name: dict(value) if isinstance(value, Mapping) else _short(value) for name, value in rules.items()}


def _short(value: object) -> dict[str, Any]:
    """Return what `off` or a response alone says. A response switches on, in an override too."""
    return {"enabled": False} if value in (False, "off") else {"enabled": True, "response": value}


def _bind(layers: list[Mapping[str, Mapping[str, Any]]]) -> tuple[BoundRule, ...]:
    bound = []
    for name, rule in all_rules().items():
        said: dict[str, Any] = {}
        options: dict[str, Any] = {}
        for layer in layers:
            options.update(layer.get(name, {}).get("options", {}))
            said.update(layer.get(name, {}))
        if not said or not said.get("enabled", True):
            continue
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
        bound.append(
            BoundRule(
                rule,
                rule.options(**values),
                Response(said.get("response", "alert")),
                duration(said.get("grace", "0d")),
                Severity(said.get("severity", rule.severity)),
            )
        )
    return tuple(bound)


def duration(text: str) -> timedelta:
    """Read `30m`, `12h` or `7d`."""
    return timedelta(**{{"m": "minutes", "h": "hours", "d": "days"}[text[-1]]: int(text[:-1])})


def _owner(item: Mapping[str, Any]) -> Owner:
    metadata = tuple((key, re.compile(fnmatch.translate(value))) for key, value in item.get("metadata", {}).items())
    authors = frozenset(author.lower() for author in item.get("authors", ()))
    return Owner(item["name"], metadata, authors, item.get("restore", False))


def _route(item: Mapping[str, Any]) -> Route:
    lists = {key: tuple(value) for key, value in item.items() if isinstance(value, list)}
    rest = {key: value for key, value in item.items() if key not in ("route", "digest")} | lists
    rest["subscriptions"] = tuple(one.lower() for one in item.get("subscriptions", ()))
    return Route(name=item["route"], digest=_digest(item.get("digest"), item["channel"]), **rest)


def _digest(said: Any, channel: str) -> Digest | None:
    """Return how a route gathers. Where nothing is said, people's channels do; machines get every notice at once."""
    if said is None:
        return Digest() if channel in CHATS else None
    if not isinstance(said, Mapping):
        return None
    usual = Digest()
    window = duration(said["window"]) if "window" in said else usual.window
    return Digest(said.get("first", usual.first), window)
