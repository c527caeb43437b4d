"""The ruleset: which rule applies where, with which options, and what follows a breach. Pure but for reading its file.

A ruleset is one YAML file. It is used whole or not at all: an empty, missing, half-written or mistaken file raises
Misconfigured with every mistake and its line, and the caller then acts on nothing.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from guardrails.bypass.rules import BypassRule, bypass_rules
from guardrails.errors import Misconfigured
from guardrails.exemption import Exemption, ExemptionId, Names, parse_time
from guardrails.expiry import DAYS, REVIEW_DAYS, duration
from guardrails.names import TagNames
from guardrails.notice import SERVICE, SEVERITIES, Kind, Notice
from guardrails.patterns import Glob, Scopes, exact_glob, glob, modern, text_glob
from guardrails.routing import Person, Route, read_route
from guardrails.rules import all_rules
from guardrails.rules.base import Declared, NoOptions, Rule, Severity
from guardrails.ruleset_conflicts import KindFacts
from guardrails.ruleset_patterns import NEWEST, Written
from guardrails.ruleset_schema import load

DEFAULT_PATH = Path(__file__).with_name("ruleset.yaml")

KINDS: Mapping[str, KindFacts] = {
    kind: KindFacts(tuple(map(str, SEVERITIES[kind])), about_one=kind not in SERVICE) for kind in Kind
}
"""What the check of a ruleset must know of the kinds of notices."""


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
class BoundRule[R: Declared = Rule]:
    """A rule as it applies at one place: its options and what follows."""

    rule: R
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
    pattern: Glob


@dataclass(frozen=True, slots=True)
class Owner:
    """A protected owner: known by metadata (every key must match its glob) or by the author's identity.

    `restore`: whether we put back what is theirs; else that is left to their tool.
    """

    name: str
    metadata: tuple[tuple[str, Glob], ...]
    authors: frozenset[str]
    restore: bool = False

    def owns(self, exemption: Exemption, author: str) -> bool:
        """Whether the exemption is this owner's. `author` is the last writer who was not us."""
        if author and author.lower() in self.authors:
            return True
        said = exemption.metadata
        return bool(self.metadata) and all(
            isinstance(said.get(key), str | int) and pattern.matches(str(said[key])) for key, pattern in self.metadata
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
    scopes: tuple[tuple[Glob, Keep], ...] = ()
    wait: timedelta = timedelta(minutes=15)
    times: int = 3
    window: timedelta = timedelta(days=1)

    def mode_for(self, exemption_id: ExemptionId) -> Keep:
        """Return what goes for an exemption."""
        found = [keep for pattern, keep in self.scopes if pattern.matches(exemption_id.key)]
        return found[-1] if found else self.keep


@dataclass(frozen=True, slots=True)
class Tagging:
    """Where the answer `tag` writes."""

    exemption: bool = True
    scope: bool = False
    protected: bool = False


@dataclass(frozen=True, slots=True)
class Exceptions:
    """What the ruleset says of the ways past a policy that are no exemptions: reported, never changed.

    Attributes:
        approved: exception ids that tags may name, as the file spells them.
        accepted: what is known and left out of the findings, by a glob on the scope or on the assignment's id.
    """

    tags: TagNames = field(default_factory=TagNames)
    approved: tuple[str, ...] = ()
    accepted: tuple[Exclusion, ...] = ()


type BypassRules = Mapping[str, BoundRule[BypassRule]]
"""The rules about bypasses that are on at one place, by name."""


class Layer(NamedTuple):
    """Settings of rules by name, and where they apply: `scope` is a glob on ids, "" for everything."""

    scope: str
    pattern: Glob | None
    rules: Mapping[str, Mapping[str, Any]]


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
        exceptions: what is known of the ways past a policy that are no exemptions.
        delete_expired: how long after its end an exemption is deleted; None where it is kept.
        version: of the file's form, 1 or 2: what its patterns mean, and those in the arguments of commands.
        warnings: what is to be said of the file, with the line; it is used nevertheless.
        patterns: every pattern in the file.
        layers: settings of rules, and where they apply: the first everywhere, later ones override it where they match.
        bypass_layers: the first, and those of the others that say something of the rules about bypasses.
    """

    digest: str
    source: str
    mode: Mode
    layers: tuple[Layer, ...]
    bypass_layers: tuple[Layer, ...]
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
    exceptions: Exceptions = field(default_factory=Exceptions)
    version: int = NEWEST
    warnings: tuple[str, ...] = ()
    patterns: tuple[Written, ...] = ()
    _bound: dict[tuple[int, ...], tuple[BoundRule, ...]] = field(default_factory=dict, compare=False, repr=False)
    _bypass_bound: dict[tuple[int, ...], BypassRules] = field(default_factory=dict, compare=False, repr=False)
    _places: dict[str, Scopes] = field(default_factory=dict, init=False, compare=False, repr=False)

    def digest_in(self, mode: Mode) -> str:
        """Return the digest as a row keeps it: with the mode behind it where a setting changes that."""
        return self.digest if mode is self.mode else f"{self.digest}+{mode}"

    def rules_for(self, exemption_id: ExemptionId) -> tuple[BoundRule, ...]:
        """Return the rules that are on for this exemption, ordered by code."""
        matched = self._matching("layers", self.layers, exemption_id.key) if len(self.layers) > 1 else (0,)
        bound = self._bound.get(matched)
        if bound is None:
            bound = self._bound[matched] = _bind([self.layers[number].rules for number in matched])
        return bound

    def judges(self, rule: str) -> bool:
        """Whether a rule is on anywhere."""
        return any(rule in layer.rules and layer.rules[rule].get("enabled", True) for layer in self.layers)

    def bypass_rules_for(self, scope: str) -> BypassRules:
        """Return the rules about bypasses that are on at a scope; an override fits it, or all that is below it."""
        layers = self.bypass_layers
        matched = self._matching("bypass_layers", layers, scope.lower() + "/") if len(layers) > 1 else (0,)
        bound = self._bypass_bound.get(matched)
        if bound is None:
            bound = self._bypass_bound[matched] = _bind_bypass([layers[number].rules for number in matched])
        return bound

    def _matching(self, what: str, items: Iterable[Layer | Exclusion], key: str) -> tuple[int, ...]:
        """Return the numbers of the items whose pattern matches, in their order; one without a pattern always does.

        `key`: an id in lower case.
        """
        places = self._places.get(what)
        if places is None:
            places = self._places[what] = Scopes(one.pattern or glob("") for one in items)
        return places.matching(key)

    def exclusion_for(self, exemption_id: ExemptionId, now: datetime) -> Exclusion | None:
        """Return the exclusion that covers this exemption today, if there is one."""
        matched = self._matching("exclusions", self.exclusions, exemption_id.key) if self.exclusions else ()
        running = (self.exclusions[number] for number in matched)
        return next((one for one in running if one.expires is None or now < one.expires), None)

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
            known = (person for person in self.people if text_glob(person.owner).matches(part.strip()))
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
    loaded = load(text, name, KINDS)
    if loaded.problems:
        raise _broken(name, tuple(loaded.problems))
    data = loaded.value
    version = data["version"]
    tagging, breaker = data.get("tagging", {}), data.get("breaker", {})
    everywhere = Layer("", None, _layer(data["rules"], version))
    overrides = [
        Layer(item["scope"], _scope(item, version), _layer(item["rules"], version))
        for item in data.get("overrides", ())
    ]
    return Ruleset(
        digest=hashlib.sha256(text.encode()).hexdigest()[:12],
        source=name,
        mode=Mode(data["mode"]),
        layers=(everywhere, *overrides),
        bypass_layers=(everywhere, *(one for one in overrides if not bypass_rules().keys().isdisjoint(one.rules))),
        exclusions=_exclusions(data.get("exclusions", ()), version),
        approved=frozenset(item.lower() for item in data.get("approved", ())),
        owners=tuple(_owner(item, version) for item in data.get("owners", ())),
        names=Names({role: tuple(keys) for role, keys in data.get("metadata", {}).items()}),
        tagging=Tagging(**tagging),
        reverts_per_hour=breaker.get("reverts_per_hour", 20),
        routes=tuple(read_route(item, version) for item in data.get("notices", ())),
        exceptions=_exceptions(data.get("exceptions", {}), version),
        people=tuple(
            Person(modern(owner, version), item["teams"], item["name"])
            for owner, item in data.get("people", {}).items()
        ),
        version=version,
        warnings=loaded.warnings,
        patterns=loaded.patterns,
        **_over_time(data),
    )


def _scope(item: Mapping[str, Any], version: int) -> Glob:
    return glob(modern(item["scope"], version))


def _exclusions(items: Iterable[Mapping[str, Any]], version: int) -> tuple[Exclusion, ...]:
    return tuple(
        Exclusion(item["scope"], item["reason"], parse_time(item.get("expires")), _scope(item, version))
        for item in items
    )


def _exceptions(said: Mapping[str, Any], version: int) -> Exceptions:
    accepted = _exclusions(said.get("accepted", ()), version)
    return Exceptions(TagNames(**said.get("tags", {})), tuple(said.get("approved", ())), accepted)


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
        "durability": _durability(data.get("durability", {}), data["version"]),
        "delete_expired": None if kept is None else timedelta(days=kept),
    }


def _durability(said: Mapping[str, Any], version: int) -> Durability:
    fights, usual = said.get("fights", {}), Durability()
    return Durability(
        Keep(said.get("mode", usual.keep)),
        tuple((_scope(item, version), Keep(item["mode"])) for item in said.get("scopes", ())),
        duration(said["wait"]) if "wait" in said else usual.wait,
        fights.get("times", usual.times),
        duration(fights["window"]) if "window" in fights else usual.window,
    )


def _broken(name: str, problems: tuple[str, ...]) -> Misconfigured:
    return Misconfigured(
        f"the ruleset has {len(problems)} mistake{'s' if len(problems) > 1 else ''}; nothing is done by it",
        code="ruleset-broken",
        subject=name,
        remedy="Mend the lines below; `python -m guardrails rules --ruleset FILE` checks it.",
        problems=problems,
    )


def _layer(rules: Mapping[str, Any], version: int) -> dict[str, dict[str, Any]]:
    """Return the settings of a `rules` block, its short forms (`off`, `tag`) spelled out, patterns as in version 2."""
    layer = {name: dict(value) if isinstance(value, Mapping) else _short(value) for name, value in rules.items()}
    for name, said in layer.items():
        if "options" not in said:
            continue
        globs = {one.name for one in fields(all_rules()[name].options) if one.metadata.get("glob")}
        options = said["options"]
        modernized = {key: [modern(one, version) for one in options[key]] for key in globs & options.keys()}
        if modernized:
            said["options"] = options | modernized
    return layer


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


def _bind_bypass(layers: list[Mapping[str, Mapping[str, Any]]]) -> BypassRules:
    """Bind the rules about bypasses: on where nothing is said of one, and an alert."""
    bound = {}
    for name, rule in bypass_rules().items():
        said: dict[str, Any] = {}
        for layer in layers:
            said.update(layer.get(name, {}))
        if said.get("enabled", True):
            severity = Severity(said.get("severity", rule.severity))
            bound[name] = BoundRule(rule, NoOptions(), Response.ALERT, timedelta(), severity)
    return bound


def _owner(item: Mapping[str, Any], version: int) -> Owner:
    metadata = tuple((key, exact_glob(modern(value, version))) for key, value in item.get("metadata", {}).items())
    authors = frozenset(author.lower() for author in item.get("authors", ()))
    return Owner(item["name"], metadata, authors, item.get("restore", False))
