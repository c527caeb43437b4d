"""How many exemptions each exclusion, override and owner of a ruleset matches, of those that a sweep sees. Pure.

What matches none may be a slip, and people believe that it does something; or it waits for a day that has not come.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, Self

from guardrails.exemption import Exemption, parse_time, spell_time
from guardrails.facts import Assignment, Facts, Gone, Unread
from guardrails.record import Run
from guardrails.ruleset import Exclusion, Override, Owner, Ruleset, spell_day

_LISTS: Final = ("exclusions", "overrides", "owners")


@dataclass(frozen=True, slots=True)
class Matches:
    """What a sweep counted.

    Attributes:
        ruleset: the digest of the ruleset by which it counted.
        at: when the sweep began, UTC.
        exemptions: how many it counted.
        whole: whether it saw all there are, and all that an override may ask of; else there may be more matches.
        exclusions, overrides, owners: how many exemptions each matches, in the order of the file.
    """

    ruleset: str
    at: datetime
    exemptions: int
    whole: bool
    exclusions: tuple[int, ...] = ()
    overrides: tuple[int, ...] = ()
    owners: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return its JSON form: of 1,000 overrides at most 8 KB."""
        return {
            "ruleset": self.ruleset,
            "at": spell_time(self.at),
            "exemptions": self.exemptions,
            "whole": self.whole,
            **{name: list(getattr(self, name)) for name in _LISTS},
        }

    @classmethod
    def from_json(cls, said: object) -> Self | None:
        """Read the JSON form; None for anything else: an older sweep counted nothing."""
        try:
            if not isinstance(said, Mapping) or not (at := parse_time(said["at"])):
                return None
            lists = {name: tuple(map(int, said[name])) for name in _LISTS}
            return cls(str(said["ruleset"]), at, int(said["exemptions"]), said["whole"] is True, **lists)
        except (KeyError, TypeError, ValueError):
            return None

    def is_of(self, ruleset: Ruleset) -> bool:
        """Whether it was counted by this very ruleset."""
        return self.ruleset == ruleset.digest and all(
            len(getattr(self, name)) == len(getattr(ruleset, name)) for name in _LISTS
        )


class Counting:
    """Counts. What has ended counts too, and of several that match each does: counts do not hang on a day.

    Who wrote an exemption is what its systemData says here: for one that we tagged that is us, for the register, which
    sees through that, is not asked.
    """

    def __init__(self, ruleset: Ruleset) -> None:
        self._ruleset = ruleset
        self._found: Counter[tuple[tuple[int, ...], ...]] = Counter()

    def add(self, exemption: Exemption, assignment: Assignment | Gone | Unread, now: datetime) -> None:
        """Count an exemption, each once. `assignment`: as far as it is known."""
        ruleset = self._ruleset
        overrides: tuple[int, ...] = ()
        if ruleset.overrides:
            overrides = ruleset.overrides_for(exemption, Facts(now, None, assignment))
        owners = ruleset.owners_of(exemption, exemption.modified_by)
        self._found[(ruleset.exclusions_on(exemption.id), overrides, owners)] += 1

    def matches(self, at: datetime, *, whole: bool) -> Matches:
        """Return what was counted by now."""
        counts = [[0] * len(getattr(self._ruleset, name)) for name in _LISTS]
        for found, count in self._found.items():
            for numbers, of_list in zip(found, counts, strict=True):
                for number in numbers:
                    of_list[number] += count
        return Matches(self._ruleset.digest, at, self._found.total(), whole, *map(tuple, counts))


class Counted(NamedTuple):
    """An exclusion, an override or an owner, and how many exemptions it matches.

    Attributes:
        what: `exclusion`, `override` or `owner`.
        at: the file, the line and the column, such as `ruleset.yaml:41:5`.
        path: such as `exclusions[0]`.
        about: what it matches, or its name.
        reason: "" where none is given.
        expires: UTC; None for no end.
        exemptions: how many it matches; None where that is not known.
        whole: whether all exemptions were seen.
    """

    what: str
    at: str
    path: str
    about: str
    reason: str
    expires: datetime | None
    exemptions: int | None
    whole: bool

    @property
    def idle(self) -> str:
        """Say that it matches none; "" where it does, or that is not known."""
        return "" if self.exemptions != 0 else "matches none" if self.whole else "matches none that was seen"

    def flags(self, now: datetime) -> tuple[str, ...]:
        """Return what is to be looked at: that it matches none, that it has ended."""
        ended = f"ended {spell_day(self.expires)}" if self.expires is not None and self.expires <= now else ""
        return tuple(filter(None, (self.idle, ended)))

    def to_json(self, now: datetime) -> dict[str, Any]:
        """Return it JSON-ready."""
        expires = spell_time(self.expires) if self.expires else None
        return self._asdict() | {"expires": expires, "flags": list(self.flags(now))}


def last_counted(run: Run | None) -> Matches | None:
    """Return what the last sweep that got so far counted, by whatever ruleset; None where none did."""
    return Matches.from_json(run.report.get("matches")) if run else None


def uncounted(ruleset: Ruleset, found: Matches | None) -> tuple[str, str]:
    """Return why there are no counts of a ruleset, and what to do."""
    if found is None:
        return "no sweep has counted yet", "Wait for the next, or: python -m guardrails sweep run"
    by = f"the sweep of {spell_time(found.at)} counted by another ruleset, {found.ruleset}; this is {ruleset.digest}"
    return by, "Name the ruleset in force with --ruleset; if this is it: python -m guardrails sweep run, or wait"


def counted(ruleset: Ruleset, matches: Matches | None) -> list[Counted]:
    """Return what a ruleset lists, in its order, with the counts where they are of this ruleset."""
    known = matches if matches is not None and matches.is_of(ruleset) else None
    return [
        Counted(
            what, f"{ruleset.source}:{one.place}", one.path, *_said(one), _count(known, what, number),
            known is not None and known.whole,
        )
        for what, number, one in _listed(ruleset)
    ]  # fmt: skip


def _listed(ruleset: Ruleset) -> Iterator[tuple[str, int, Exclusion | Override | Owner]]:
    for name in _LISTS:
        for number, one in enumerate(getattr(ruleset, name)):
            yield name[:-1], number, one


def _said(one: Exclusion | Override | Owner) -> tuple[str, str, datetime | None]:
    """Return what it is about, its reason and its end."""
    if isinstance(one, Owner):
        return one.name, "", None
    return one.about if isinstance(one, Override) else one.scope, one.reason, one.expires


def _count(known: Matches | None, what: str, number: int) -> int | None:
    return None if known is None else getattr(known, f"{what}s")[number]
