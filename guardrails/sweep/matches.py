"""How many exemptions each exclusion, override and owner of a ruleset matches, of those that a sweep sees. Pure.

What matches none may be a slip, and people believe that it does something; or it waits for a day that has not come.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, Self

from guardrails.dataclass import dataclass
from guardrails.decisions.judged import Found
from guardrails.decisions.watch import Run
from guardrails.exemption.facts import NO_POLICIES, Assignment, Facts, Gone, PoliciesById, Unread
from guardrails.exemption.model import Exemption
from guardrails.exemption.times import parse_time, spell_time
from guardrails.ruleset.bound_rules import NONE_HOLDS
from guardrails.ruleset.model import Exclusion, Owner, Ruleset, spell_day
from guardrails.ruleset.overrides import Override

_COUNTS: Final = ("exclusions", "overrides", "owners", "unclear")


@dataclass(frozen=True, slots=True)
class Matches:
    """What a sweep counted.

    Attributes:
        ruleset: the digest of the ruleset by which it counted.
        at: when the sweep began, UTC.
        exemptions: how many it counted.
        whole: whether it saw all there are, and all that an override may ask of; else there may be more matches.
        exclusions, overrides, owners: how many exemptions each matches, in the order of the file.
        unclear: for how many exemptions it is unknown whether each override holds.
    """

    ruleset: str
    at: datetime
    exemptions: int
    whole: bool
    exclusions: tuple[int, ...] = ()
    overrides: tuple[int, ...] = ()
    owners: tuple[int, ...] = ()
    unclear: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return its JSON form: of 1,000 overrides at most 16 KB."""
        return {
            "ruleset": self.ruleset,
            "at": spell_time(self.at),
            "exemptions": self.exemptions,
            "whole": self.whole,
            **{name: list(getattr(self, name)) for name in _COUNTS},
        }

    @classmethod
    def from_json(cls, said: object) -> Self | None:
        """Read the JSON form; None for anything else: an older sweep counted nothing."""
        try:
            if not isinstance(said, Mapping) or not (at := parse_time(said["at"])):
                return None
            counts = {name: tuple(map(int, said[name])) for name in _COUNTS}
            return cls(str(said["ruleset"]), at, int(said["exemptions"]), said["whole"] is True, **counts)
        except (KeyError, TypeError, ValueError):
            return None

    def is_of(self, ruleset: Ruleset) -> bool:
        """Whether it was counted by this very ruleset."""
        lengths = [len(getattr(self, name)) for name in _COUNTS]
        return self.ruleset == ruleset.digest and lengths == list(map(len, _listed(ruleset)))


def _listed(ruleset: Ruleset) -> Sequence[Sequence[Exclusion | Override | Owner]]:
    """Return what is counted, as in _COUNTS."""
    return ruleset.exclusions, ruleset.limits.overrides, ruleset.owners, ruleset.limits.overrides


class Counting:
    """Counts. What has ended counts too, and of several that match each does: counts do not hang on a day.

    Who wrote an exemption is what its systemData says here: for one that we tagged that is us, for the register, which
    sees through that, is not asked.
    """

    def __init__(self, ruleset: Ruleset) -> None:
        self._ruleset = ruleset
        self.found: Counter[Found] = Counter()

    def add(
        self,
        exemption: Exemption,
        assignment: Assignment | Gone | Unread,
        now: datetime,
        policies: PoliciesById = NO_POLICIES,
    ) -> Found:
        """Count an exemption, each once; return what it matches. `assignment`, `policies`: as far as they are known."""
        ruleset, holding = self._ruleset, NONE_HOLDS
        if ruleset.limits.overrides:
            holding = ruleset.limits.overrides_for(exemption, Facts(now, None, assignment, policies=policies))
        owners = ruleset.owners_of(exemption, exemption.modified_by)
        found = (ruleset.exclusions_on(exemption.id), holding.sure, owners, holding.maybe)
        self.add_found(found)
        return found

    def add_found(self, found: Found) -> None:
        """Count an exemption of which it is known what it matches."""
        self.found[found] += 1

    def add_all(self, found: Mapping[Found, int]) -> bool:
        """Count what another instance found; return False, and count nothing, where it is not of this ruleset."""
        most = [len(items) for items in _listed(self._ruleset)]
        if any(
            len(one) != len(most)
            or any(not 0 <= number < count for numbers, count in zip(one, most, strict=True) for number in numbers)
            for one in found
        ):
            return False
        self.found.update(found)
        return True

    def matches(self, at: datetime, *, whole: bool) -> Matches:
        """Return what was counted by now."""
        counts = [[0] * len(items) for items in _listed(self._ruleset)]
        for found, count in self.found.items():
            for numbers, of_list in zip(found, counts, strict=True):
                for number in numbers:
                    of_list[number] += count
        return Matches(self._ruleset.digest, at, self.found.total(), whole, *map(tuple, counts))


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
        unclear: for how many exemptions it is unknown whether it matches them.
        whole: whether all exemptions were seen.
    """

    what: str
    at: str
    path: str
    about: str
    reason: str
    expires: datetime | None
    exemptions: int | None
    unclear: int
    whole: bool

    @property
    def idle(self) -> str:
        """Say that it matches none; "" where it does, or that is not known."""
        if self.exemptions != 0:
            return ""
        return "no certain match" if self.unclear else "matches none" + ("" if self.whole else " that was seen")

    def flags(self, now: datetime) -> tuple[str, ...]:
        """Return what is to be looked at: that it matches none, that it is unknown, that it has ended."""
        unclear = f"{self.unclear} unknown" if self.unclear else ""
        ended = f"ended {spell_day(self.expires)}" if self.expires is not None and self.expires <= now else ""
        return tuple(filter(None, (self.idle, unclear, ended)))

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
        return "no sweep has counted yet", "Wait for the next sweep, or run: exg sweep run"
    by = f"the sweep of {spell_time(found.at)} counted with another ruleset, {found.ruleset}; this is {ruleset.digest}"
    return (
        by,
        "Name the service's ruleset with --ruleset. If this is it, wait for the next sweep, or run: exg sweep run",
    )


def counted(ruleset: Ruleset, matches: Matches | None) -> list[Counted]:
    """Return what a ruleset lists, in its order, with the counts where they are of this ruleset."""
    known = matches if matches is not None and matches.is_of(ruleset) else None
    whole = known is not None and known.whole
    found = []
    for name, items in zip(_COUNTS[:-1], _listed(ruleset), strict=False):
        for number, one in enumerate(items):
            count = getattr(known, name)[number] if known else None
            unclear = known.unclear[number] if known and name == "overrides" else 0
            at = f"{ruleset.source}:{one.place}"
            found.append(Counted(name[:-1], at, one.path, *_said(one), count, unclear, whole))
    return found


def _said(one: Exclusion | Override | Owner) -> tuple[str, str, datetime | None]:
    """Return what it is about, its reason and its end."""
    if isinstance(one, Owner):
        return one.name, "", None
    return one.about if isinstance(one, Override) else one.scope, one.reason, one.expires
