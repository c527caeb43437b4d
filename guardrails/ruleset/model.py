"""The ruleset: which rule applies where, with which options, and what follows a breach. Pure but for reading its file.

A ruleset is one YAML file. It is used whole or not at all: an empty, missing, half-written or mistaken file raises
Misconfigured with every mistake and its line, and the caller then acts on nothing.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from guardrails.dataclass import dataclass, field, fields
from guardrails.errors import Misconfigured
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.expiry import DAYS, REVIEW_DAYS, duration
from guardrails.exemption.model import Exemption, Names
from guardrails.exemption.names import TagNames
from guardrails.exemption.patterns import Glob, Scopes, exact_glob, glob, id_glob, modern, text_glob
from guardrails.exemption.times import parse_time, spell_time
from guardrails.notices.notice import Notice
from guardrails.notices.routing import Person, Route, read_route
from guardrails.rules import rule_of
from guardrails.ruleset.bound_rules import Limits, Settings
from guardrails.ruleset.budgets import Budget, Fights
from guardrails.ruleset.loaded import NEWEST, Loaded, Written, shipped
from guardrails.ruleset.overrides import Graded, Override

DEFAULT_PATH = Path(__file__).parents[1] / "ruleset.yaml"
REVERTS: Final = 20
"""Reverts in an hour, unless a ruleset says otherwise."""
RESTORES: Final = 1_000
LONGEST_HOLD: Final = timedelta(days=90)


class Mode(StrEnum):
    """Whether plans are carried out."""

    AUDIT = "audit"
    ENFORCE = "enforce"


def restores_of(total: int, said: Mapping[str, int] | None = None) -> Budget:
    """Return a budget for restores. A target that is made anew often is nobody's fight: its exemptions have more."""
    return Budget.of(total, said, exemption=10)


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Exemptions that are left alone. `expires` is UTC; None means until it is taken out of the file.

    `path` and `place` say where it is: such as `exclusions[0]`, and line and column.
    """

    scope: str
    reason: str
    expires: datetime | None
    pattern: Glob
    path: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Owner:
    """A protected owner: known by the author's identity, by metadata (every key must match its glob), or by both.

    Where an entry names both, both must match. By metadata alone it is a claim: see guardrails.decisions.ownership.
    `restore`: whether we put back what is theirs; else that is left to their tool. `path` and `place`: see Exclusion.
    """

    name: str
    metadata: tuple[tuple[str, Glob], ...]
    authors: frozenset[str]
    restore: bool = False
    path: str = ""
    place: str = ""

    def is_claimed_by(self, exemption: Exemption) -> bool:
        """Whether the exemption's metadata say that it is this owner's. Anybody who may write it can write that."""
        said = exemption.metadata
        for key, pattern in self.metadata:
            value = said.get(key)
            if not isinstance(value, (str, int)) or not pattern.matches(str(value)):
                return False
        return bool(self.metadata)

    def is_named_by(self, exemption: Exemption, author: str) -> bool:
        """Whether all that the entry names fits an exemption, whatever that is worth."""
        known = not self.authors or author.lower() in self.authors
        return known and (not self.metadata or self.is_claimed_by(exemption))


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
        verify: how long who deleted it is not believed, for the activity log that shows it lags behind events.
        times, window: so many restores within so long are a fight, and end in an alert.
    """

    keep: Keep = Keep.NEVER
    scopes: tuple[tuple[Glob, Keep], ...] = ()
    wait: timedelta = timedelta(minutes=15)
    verify: timedelta = timedelta(minutes=20)
    times: int = 3
    window: timedelta = timedelta(days=1)

    def mode_for(self, exemption_id: ExemptionId) -> Keep:
        """Return what goes for an exemption."""
        found = [keep for pattern, keep in self.scopes if pattern.matches(exemption_id.key)]
        return found[-1] if found else self.keep


@dataclass(frozen=True, slots=True)
class Tagging:
    """Where the response `tag` writes."""

    exemption: bool = True
    scope: bool = False
    protected: bool = False


@dataclass(frozen=True, slots=True)
class KnownBypasses:
    """What the ruleset says of bypasses of policies: reported, never changed.

    Attributes:
        approved: exception ids that tags may name, as the file spells them.
        accepted: what is known and left out of the findings, by a glob on the scope or on the assignment's id.
    """

    tags: TagNames = field(default_factory=TagNames)
    approved: tuple[str, ...] = ()
    accepted: tuple[Exclusion, ...] = ()


@dataclass(frozen=True, slots=True)
class Ruleset:
    """A ruleset, ready to judge by.

    Attributes:
        digest: 12 hex digits over the file's text; recorded with each decision.
        source: the file's name, for messages.
        budget: how many reverts an hour lets through; a total of 0 forbids every revert.
        restores: the same for exemptions that are put back after a loss.
        fights: how many reverts of one exemption are a fight.
        longest_hold: the longest that an operator may hold an exemption.
        adopted_until: when exemptions that were there before are answered like any other, UTC; None for never.
        reminder_days, review_days: days before an end, or a review, at which owners are reminded.
        reminder_at: when a day's digest of reminders goes, since midnight UTC.
        review_months: months from one review to the next where no date is named; 0 for none.
        durability: which exemptions are put back when they are gone.
        bypasses: what is known of bypasses of policies.
        delete_expired: how long after its end an exemption is deleted; None where it is kept.
        version: of the file's form, 1 or 2: what its patterns mean, and those in the arguments of commands.
        warnings: what is to be said of the file, with the line; it is used nevertheless.
        retired: those of the warnings that are about old names.
        patterns: every pattern in the file.
        limits: which rules apply where, with which options, and what follows a violation.
        text: the file's text, of which `digest` is.
    """

    digest: str
    source: str
    mode: Mode
    limits: Limits
    exclusions: tuple[Exclusion, ...] = ()
    approved: frozenset[str] = frozenset()
    owners: tuple[Owner, ...] = ()
    names: Names = field(default_factory=Names)
    tagging: Tagging = field(default_factory=Tagging)
    budget: Budget = field(default_factory=lambda: Budget.of(REVERTS))
    restores: Budget = field(default_factory=lambda: restores_of(RESTORES))
    fights: Fights = field(default_factory=Fights)
    longest_hold: timedelta = LONGEST_HOLD
    routes: tuple[Route, ...] = ()
    people: tuple[Person, ...] = ()
    adopted_until: datetime | None = None
    reminder_days: tuple[int, ...] = (*DAYS, 0)
    reminder_at: timedelta = timedelta(hours=6)
    review_days: tuple[int, ...] = REVIEW_DAYS
    review_months: int = 3
    delete_expired: timedelta | None = None
    durability: Durability = field(default_factory=Durability)
    bypasses: KnownBypasses = field(default_factory=KnownBypasses)
    version: int = NEWEST
    warnings: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()
    patterns: tuple[Written, ...] = ()
    text: str = field(default="", repr=False)
    _excluding: list[Scopes] = field(default_factory=list, init=False, compare=False, repr=False)

    @property
    def asks_policies(self) -> bool:
        """Whether an override asks for the category or the severity of policies."""
        return self.limits.asks_policies

    @property
    def reverts_per_hour(self) -> int:
        """The limit on reverts in all."""
        return self.budget.total

    def mode_in_force(self, *, audit_only: bool) -> Mode:
        """Return the mode in force: audit where a setting holds it there, else the ruleset's."""
        return Mode.AUDIT if audit_only else self.mode

    def digest_in(self, mode: Mode) -> str:
        """Return the digest as a row keeps it: with the mode behind it where a setting changes that."""
        return self.digest if mode is self.mode else f"{self.digest}+{mode}"

    def exclusions_on(self, exemption_id: ExemptionId) -> tuple[int, ...]:
        """Return the numbers of the exclusions that match this exemption, those that have ended included."""
        if not self.exclusions:
            return ()
        if not self._excluding:
            self._excluding.append(Scopes(one.pattern for one in self.exclusions))
        return self._excluding[0].matching(exemption_id.key)

    def judges(self, rule: str) -> bool:
        """Whether a rule is on anywhere."""
        return self.limits.judges(rule)

    def exclusion_for(self, exemption_id: ExemptionId, now: datetime) -> Exclusion | None:
        """Return the exclusion that covers this exemption today, if there is one."""
        matched = (self.exclusions[number] for number in self.exclusions_on(exemption_id))
        return next((one for one in matched if one.expires is None or now < one.expires), None)

    def owners_of(self, exemption: Exemption, author: str) -> tuple[int, ...]:
        """Return the numbers of the protected owners that fit this exemption."""
        return tuple([number for number, owner in enumerate(self.owners) if owner.is_named_by(exemption, author)])

    @property
    def trusted(self) -> frozenset[str]:
        """Who may write and delete exemptions by the ruleset's word, lower case: what it approves, and its owners."""
        return self.approved.union(*(owner.authors for owner in self.owners))

    @property
    def gaps(self) -> tuple[str, ...]:
        """A sentence for each owner that only metadata identify, which anybody can write."""
        return tuple(
            f"the owner '{owner.name}' names no authors: a new exemption that claims it is not reverted. "
            "Name the tool's identities under `authors`"
            for owner in self.owners
            if not owner.authors
        )

    def ended(self, now: datetime) -> tuple[str, ...]:
        """Return what is to be said of the exclusions and overrides that have ended, with the line; it stays valid."""
        dated: tuple[Exclusion | Override, ...] = (*self.exclusions, *self.limits.overrides, *self.bypasses.accepted)
        return tuple(
            f"{self.source}:{one.place}: {one.path}: it ended {spell_day(one.expires)} and does not apply;"
            " remove it, or set a later day"
            for one in dated
            if one.expires is not None and one.expires <= now
        )

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
        about = notice.exemption
        owner = str(about.get("knownOwner", about.get("owner")) or "") if self.people else ""
        for part in re.split("[,;]", owner.lower())[:20]:
            known = (person for person in self.people if text_glob(person.owner).matches(part.strip()))
            if part.strip() and (person := next(known, None)):
                yield person


def spell_day(time: datetime) -> str:
    """Write a UTC time as a ruleset may have it: 2027-06-30, with the hour where it is not midnight."""
    return spell_time(time).removesuffix("T00:00:00Z")


def load_ruleset(path: Path | None = None) -> Ruleset:
    """Read a ruleset file. Raises Misconfigured with every mistake in it."""
    path = path or DEFAULT_PATH
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else f"it is not UTF-8: {error}"
        remedy = "Name a file with --ruleset or GUARDRAILS_RULESET. Without them, the shipped ruleset is used."
        raise Misconfigured(
            "the ruleset cannot be read, so nothing was done",
            code="ruleset-broken",
            subject=str(path),
            remedy=remedy,
            problems=(f"{path.name}:1:1: cannot be read: {why}",),
        ) from error
    return parse_ruleset(text, path.name)


def parse_ruleset(text: str, name: str = "ruleset.yaml") -> Ruleset:
    """Read a ruleset from text. Raises Misconfigured with every mistake in it."""
    return ruleset_from(shipped(text) or _read(text, name), text, name)


def _read(text: str, name: str) -> Loaded:
    from guardrails.ruleset.load import load  # noqa: PLC0415 - who judges by the shipped ruleset needs no YAML

    return load(text, name)


def ruleset_from(loaded: Loaded, text: str, name: str) -> Ruleset:
    """Return the ruleset that a file says. Raises Misconfigured with every mistake in it."""
    if loaded.problems:
        raise _broken(name, tuple(loaded.problems))
    data = loaded.value
    version = data["version"]
    tagging, breaker = data.get("tagging", {}), data.get("breaker", {})
    return Ruleset(
        digest=hashlib.sha256(text.encode()).hexdigest()[:12],
        source=name,
        mode=Mode(data["mode"]),
        limits=Limits(_settings(data["rules"], version), tuple(_overrides(loaded)), tuple(_graded(data))),
        exclusions=_exclusions(data.get("exclusions", ()), loaded, "exclusions"),
        approved=frozenset(item.lower() for item in data.get("approved", ())),
        owners=tuple(_owner(item, version, *at) for at, item in _placed(data.get("owners", ()), loaded, "owners")),
        names=Names({role: tuple(keys) for role, keys in data.get("metadata", {}).items()}),
        tagging=Tagging(**tagging),
        budget=Budget.of(breaker.get("reverts_per_hour", REVERTS), breaker.get("reverts")),
        restores=restores_of(breaker.get("restores_per_hour", RESTORES), breaker.get("restores")),
        fights=_fights(breaker.get("fights", {})),
        longest_hold=timedelta(days=data.get("holds", {}).get("longest_days", LONGEST_HOLD.days)),
        routes=tuple(read_route(item, version) for item in data.get("notices", ())),
        bypasses=_bypasses(data.get("bypasses", {}), loaded),
        people=tuple(
            Person(modern(owner, version), item["teams"], item["name"])
            for owner, item in data.get("people", {}).items()
        ),
        version=version,
        warnings=loaded.warnings,
        retired=loaded.retired,
        patterns=loaded.patterns,
        text=text,
        **_over_time(data),
    )


def _overrides(loaded: Loaded) -> Iterator[Override]:
    version = loaded.value["version"]
    for (path, place), item in _placed(loaded.value.get("overrides", ()), loaded, "overrides"):
        yield Override(
            path,
            place,
            item.get("reason", ""),
            parse_time(item.get("expires")),
            said=item.get("scope", ""),
            scope=_scope(item, version) if "scope" in item else None,
            policy_category=_globs(item, "policy_category", version, text_glob),
            severity=_globs(item, "severity", version, text_glob),
            exemption_category=tuple(one.lower() for one in _listed(item.get("exemption_category", ()))),
            rules=_settings(item["rules"], version),
            assignment=_globs(item, "assignment", version, id_glob),
            **_controls(item, version),
        )


def _graded(data: Mapping[str, Any]) -> Iterator[Graded]:
    for item in data.get("severities", ()):
        yield Graded(severity=item["severity"], **_controls(item, data["version"]))


def _controls(item: Mapping[str, Any], version: int) -> dict[str, tuple[Glob, ...]]:
    """Return what an entry says of the controls that it is about."""
    return {
        "initiative": _globs(item, "initiative", version, id_glob),
        "definition": _globs(item, "definition", version, id_glob),
        "reference": _globs(item, "reference", version, text_glob),
    }


def _globs(item: Mapping[str, Any], name: str, version: int, make: Callable[[str], Glob]) -> tuple[Glob, ...]:
    return tuple(make(modern(one, version)) for one in _listed(item.get(name, ())))


def _listed(said: str | Iterable[str]) -> Iterable[str]:
    return (said,) if isinstance(said, str) else said


def _scope(item: Mapping[str, Any], version: int) -> Glob:
    return glob(modern(item["scope"], version))


def _exclusions(items: Iterable[Mapping[str, Any]], loaded: Loaded, where: str) -> tuple[Exclusion, ...]:
    version = loaded.value["version"]
    return tuple(
        Exclusion(item["scope"], item["reason"], parse_time(item.get("expires")), _scope(item, version), *at)
        for at, item in _placed(items, loaded, where)
    )


def _placed(
    items: Iterable[Mapping[str, Any]], loaded: Loaded, where: str
) -> Iterator[tuple[tuple[str, str], Mapping[str, Any]]]:
    """Yield the items of a list, each with its path and with the place of that in the file."""
    for number, item in enumerate(items):
        path = f"{where}[{number}]"
        yield (path, loaded.places[path]), item


def _bypasses(said: Mapping[str, Any], loaded: Loaded) -> KnownBypasses:
    accepted = _exclusions(said.get("accepted", ()), loaded, "bypasses.accepted")
    return KnownBypasses(TagNames(**said.get("tags", {})), tuple(said.get("approved", ())), accepted)


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
        duration(said["verify"]) if "verify" in said else usual.verify,
        fights.get("times", usual.times),
        duration(fights["window"]) if "window" in fights else usual.window,
    )


def _fights(said: Mapping[str, Any]) -> Fights:
    usual = Fights()
    window = duration(said["window"]) if "window" in said else usual.window
    return Fights(said.get("times", usual.times), window)


def _broken(name: str, problems: tuple[str, ...]) -> Misconfigured:
    return Misconfigured(
        f"the ruleset has {len(problems)} mistake{'s' if len(problems) > 1 else ''}; nothing was done",
        code="ruleset-broken",
        subject=name,
        remedy="Fix the lines below. `exg rules --ruleset FILE` checks the file.",
        problems=problems,
    )


def _settings(rules: Mapping[str, Any], version: int) -> Settings:
    """Return the settings of a `rules` block, its short forms (`off`, `tag`) spelled out, patterns as in version 2."""
    layer = {name: dict(value) if isinstance(value, Mapping) else _short(value) for name, value in rules.items()}
    for name, said in layer.items():
        if "options" not in said:
            continue
        globs = {one.name for one in fields(rule_of(name).options) if one.metadata.get("glob")}
        options = said["options"]
        modernized = {key: [modern(one, version) for one in options[key]] for key in globs & options.keys()}
        if modernized:
            said["options"] = options | modernized
    return layer


def _short(value: object) -> dict[str, Any]:
    """Return what `off` or a response alone says. A response switches on, in an override too."""
    return {"enabled": False} if value in (False, "off") else {"enabled": True, "response": value}


def _owner(item: Mapping[str, Any], version: int, path: str, place: str) -> Owner:
    metadata = tuple((key, exact_glob(modern(value, version))) for key, value in item.get("metadata", {}).items())
    authors = frozenset(author.lower() for author in item.get("authors", ()))
    return Owner(item["name"], metadata, authors, item.get("restore", False), path, place)
