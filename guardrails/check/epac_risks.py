"""What EPAC will silently do other than its files say: each with the place, and the correction to write. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from guardrails.dataclass import dataclass
from guardrails.epac.entries import Entry, EpacFile
from guardrails.epac.instants import Kind, NetDate
from guardrails.epac.plan import WRITTEN, Action, EpacPlan, Item, Owner, Said
from guardrails.epac.powershell import blank
from guardrails.epac.rows import COLUMNS, FIELDS
from guardrails.evaluation.plan import Outcome
from guardrails.evaluation.values import Place
from guardrails.exemption.facts import Risk
from guardrails.lazy_regex import lazy_regex
from guardrails.nearest import nearest
from guardrails.rules.risks import EPAC

_NOT_MADE: Final = "exemption-not-made"
_DELETED: Final = "deleted-silently"
_END: Final = "end-not-as-written"
_WIDER: Final = "scope-wider-than-written"
_IGNORED: Final = "value-ignored"
_UNSETTLED: Final = "never-settles"
_STOPS: Final = "one-file-stops-all"
_RUNNER: Final = "depends-on-runner"

_EXPIRED: Final = (str(Said.EXPIRED), str(Said.EXPIRED_NEW))
_NUMBERS: Final = lazy_regex(r"\s*(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d\d)(?:\s.*)?", re.ASCII)
_CORRECTIONS: Final[Mapping[str, str]] = {
    str(Said.NO_ASSIGNMENT): "the id of an assignment that is below the root scope",
    str(Said.NO_DEFINITION): "the name or id of a policy that is at the root scope or built in",
    str(Said.NOT_ASSIGNED): "a policy or initiative that is assigned",
    str(Said.NOT_APPLICABLE): "a scope below the assignment, without prefix and without a slash at its end",
    str(Said.NO_RESOURCE): "the id of a resource that exists",
}
_KEYS: Final = frozenset(FIELDS)
_UNION: Final = (*FIELDS, "assignmentReferenceId")


@dataclass(frozen=True, slots=True)
class Found:
    """A risk, and where it is.

    Attributes:
        item: the exemption that it is about; None where EPAC makes none.
        entry: the number of the entry, None where it is about a file.
        identity: the id of a deployed exemption that it is about, "" for none.
        at: a JSON pointer into the exemption; "" for all of it.
    """

    risk: Risk
    place: Place
    item: Item | None = None
    entry: int | None = None
    identity: str = ""
    at: str = ""


def risks_of(files: Sequence[EpacFile], plan: EpacPlan, hidden: Sequence[str] = ()) -> list[Found]:
    """Return what EPAC silently does with files, by its plan of them.

    Args:
        hidden: paths of files that it does not read, for a name in them begins with a dot.
    """
    text = "EPAC does not read hidden files on Linux, and this one's path has a name that begins with a dot"
    risk = _risk(_NOT_MADE, text, "a name without a dot in front")
    return [*(Found(risk, Place(path, 1, 1)) for path in hidden), *_Risks(files, plan).all()]


class _Risks:
    def __init__(self, files: Sequence[EpacFile], plan: EpacPlan) -> None:
        self._files, self._plan = files, plan
        self._items: dict[tuple[str, int], list[Item]] = {}
        for item in plan.items:
            self._items.setdefault((item.entry.place.path, item.entry.number), []).append(item)
        self._entries = sum(len(file.entries) for file in files)
        self._lost = False

    def all(self) -> Iterator[Found]:
        """Yield the risks: of files, of entries, of what is deployed."""
        for file in self._files:
            yield from self._file(file)
            for entry in file.entries:
                items = self._items.get((entry.place.path, entry.number), [])
                if entry.fields is not None:
                    yield from _fields(entry, items)
                    yield from self._entry(entry, items)
        yield from self._second()
        yield from self._deletes()

    def _file(self, file: EpacFile) -> Iterator[Found]:
        top = Place(file.path, 1, 1)
        if file.broken and (self._entries or len(self._files) > 1):
            text = "EPAC cannot read this file, so it refuses the plan of all files"
            yield Found(
                _risk(_STOPS, text, "a file that it can read", {"problem": file.broken.message}), file.broken.place
            )
        if isinstance(file.root, list) and file.root and not file.entries and not file.uncertain:
            self._lost = True
            text = "EPAC reads no entry of a file whose root is a list"
            yield Found(_risk(_NOT_MADE, text, 'an object: {"exemptions": [...]}'), top)
        if isinstance(file.root, dict) and "exemptions" not in file.root:
            for key, value in file.root.items():
                if (
                    isinstance(value, list)
                    and any(isinstance(one, dict) for one in value)
                    and nearest(key, ["exemptions"])
                ):
                    self._lost = True
                    text = "EPAC reads no entry of this file, because its key is not spelled exactly exemptions"
                    yield Found(_risk(_NOT_MADE, text, "exemptions, in lower case", {"key": key}), top)
        for name, place in file.columns.items():
            if name and name.lower() not in (one.lower() for one in _UNION):
                yield from _unknown_column(name, place, file)

    def _entry(self, entry: Entry, items: Sequence[Item]) -> Iterator[Found]:
        texts = _scopes(entry)
        patterns = [_last(one) for one in texts if "*" in one or "subscriptionspattern" in one.lower()]
        narrowed = _get(entry, "policyDefinitionReferenceIds")
        for item in items:
            if item.action is Action.LEFT_OUT and item.reason not in _EXPIRED:
                fix = _CORRECTIONS.get(item.reason, "an entry that EPAC can plan")
                text = f"EPAC skips the entry with only a warning: {item.reason}"
                yield _about(entry, item, _risk(_NOT_MADE, text, fix))
            if item.action is Action.REFUSED and self._entries > 1:
                text = f"because of this entry, EPAC refuses the plan of all files: {item.reason}"
                yield _about(entry, item, _risk(_STOPS, text, "an entry without this fault"))
            if item.skipped and any(name.startswith("expiresOn") for name in item.skipped):
                text = "its end has passed, so EPAC skips the update, and the deployed exemption keeps its own end"
                yield _about(entry, item, _risk(_END, text, "no entry: EPAC then deletes the exemption"), "expiresOn")
            if patterns:
                yield from _wider(entry, item, texts, patterns)
            if narrowed is not None and narrowed != item.references:  # of most, these are sent as they are written
                yield from _narrowing(entry, item)
        if not items and not self._plan.errors and self._plan.outcome is Outcome.DEPLOYS:
            text = "the pattern of its scope matches nothing, and EPAC does not report this"
            fix = "a pattern that matches, or the scopes one by one"
            yield Found(_risk(_NOT_MADE, text, fix), _scope_place(entry), entry=entry.number)

    def _second(self) -> Iterator[Found]:
        second, unreadable = self._plan.second, {one.lower() for one in self._plan.unreadable}
        again = {one.lower() for one in (*second.new, *second.update, *second.replace)} if second else set()
        for item in self._plan.written() if unreadable or again else ():
            key = str(item.id).lower()
            if key in unreadable:
                text = (
                    "EPAC's deploy step cannot read a plan with a key in it that is empty or reserved, or that differs"
                )
                text += " from another in letter case alone: nothing of the whole plan is deployed"
                yield _about(item.entry, item, _risk(_STOPS, text, "other keys of metadata and selectors"), "metadata")
            elif key in again and not unreadable:
                text = "EPAC writes it again at each run"
                evidence = {"because": ", ".join(self._again(key))}
                yield _about(item.entry, item, _risk(_UNSETTLED, text, self._settled(key), evidence))

    def _again(self, key: str) -> tuple[str, ...]:
        found = self._plan.second.because if self._plan.second else {}
        return found.get(key, ("it is not found among the deployed",))

    def _settled(self, key: str) -> str:
        because = self._again(key)
        if "expiresOn" in because:
            return "an end in UTC with Z at its end"
        if "metadata" in because:
            return (
                "metadata without nulls, without keys that differ in letter case alone, and without Keys, createdBy,"
                " createdOn, updatedBy, updatedOn, lastSyncedToArgOn"
            )
        return "an assignment below the root scope"

    def _deletes(self) -> Iterator[Found]:
        if not self._plan.deletes:
            return
        left = {str(item.name).lower() for item in self._plan.items if item.action is Action.LEFT_OUT}
        names = {str((entry.fields or {}).get("name")).lower() for file in self._files for entry in file.entries}
        owners = self._plan.owners
        for identity in self._plan.deletes:
            name = identity.rpartition("/")[2].lower()
            why, fix = "", "an entry that EPAC can plan, or none if the exemption must go"
            if name in left or name in names:
                why = "an entry has this name, but results in no exemption with this id"
            elif not self._entries:
                why = "EPAC reads no entry of any file"
                fix = "the entries in the form that EPAC reads, or no folder for what EPAC is not to manage"
            elif self._lost:
                why = "EPAC reads no entry of one of the files"
            elif owners.get(identity.lower()) is Owner.NOBODY:
                why, fix = "nobody's owner id is on it, and the strategy is full", "the strategy ownedOnly"
            if why:
                place = Place(self._files[0].path, 1, 1) if self._files else Place("", 0, 0)
                yield Found(_risk(_DELETED, f"EPAC deletes it: {why}", fix), place, identity=identity)


def _risk(rule: str, text: str, correction: str, evidence: Mapping[str, str] | None = None) -> Risk:
    return Risk(rule, text, EPAC, correction, evidence or {})


def _about(entry: Entry, item: Item, risk: Risk, field: str = "") -> Found:
    place = entry.place_of(field) if field else entry.place
    at = f"/properties/{field}" if field and item.action in (*WRITTEN, Action.UNCHANGED, None) else ""
    return Found(risk, place, item, entry.number, at=at)


def _scope_place(entry: Entry) -> Place:
    return entry.place_of("scope" if not blank(_get(entry, "scope")) else "scopes")


def _get(entry: Entry, name: str) -> Any:
    fields = entry.fields or {}
    return fields.get(name.lower()) if entry.is_table else fields.get(name)


def _unknown_column(name: str, place: Place, file: EpacFile) -> Iterator[Found]:
    if not any((entry.fields or {}).get(name.lower()) for entry in file.entries):
        return
    meant = next(iter(nearest(name, COLUMNS)), "")
    missing = meant and meant.lower() not in (one.lower() for one in file.columns)
    rule = _END if missing and meant == "expiresOn" else _IGNORED
    fix = f"the column {meant}" if missing else "a key in the column metadata"
    yield Found(_risk(rule, "EPAC ignores this column", fix, {"column": name}), place)


def _fields(entry: Entry, items: Sequence[Item]) -> Iterator[Found]:
    """Yield what is passed over of an entry, and what is read otherwise than written."""
    item = items[0] if items else None
    fields = entry.fields or {}
    for name in () if entry.is_table or fields.keys() <= _KEYS else fields:
        if name not in _KEYS:
            meant = next(iter(nearest(name, FIELDS)), "")
            missing = bool(meant) and blank(_get(entry, meant))
            rule = _END if missing and meant == "expiresOn" else _IGNORED
            fix = f"the key {meant}; letter case counts" if missing else "a key in metadata"
            yield Found(
                _risk(rule, "EPAC ignores this key", fix, {"key": name}), entry.place_of(name), item, entry.number
            )
    if entry.extra:
        text = "EPAC ignores cells without a column; the cells before them may be shifted"
        yield Found(_risk(_IGNORED, text, "as many cells as columns"), entry.extra, item, entry.number)
    selectors = _get(entry, "resourceSelectors") if entry.is_table else None
    if isinstance(selectors, str) and selectors.strip() and not selectors.strip().startswith("["):
        text = "EPAC ignores a resourceSelectors cell that does not begin with [, so all resources are exempted"
        place = entry.place_of("resourceSelectors")
        yield Found(_risk(_IGNORED, text, "a JSON list of selectors"), place, item, entry.number)
    said = _get(entry, "expiresOn")
    if not (isinstance(said, NetDate) and said.kind is Kind.UTC):
        yield from _ends(entry, item)


def _ends(entry: Entry, item: Item | None) -> Iterator[Found]:
    said, at = _get(entry, "expiresOn"), "/properties/expiresOn"
    if isinstance(said, NetDate):
        if said.kind is Kind.LOCAL and said.offset != 0:
            place = entry.place_of("expiresOn")
            text = "EPAC compares an end with an offset in the time zone of its runner: it is off by that offset"
            yield Found(_risk(_RUNNER, text, _in_utc(said)), place, item, entry.number, at=at)
        return
    found = _NUMBERS.fullmatch(said) if isinstance(said, str) else None
    if found is None:
        return
    place = entry.place_of("expiresOn")
    if found[1] != found[3] and int(found[1]) <= 12 and int(found[3]) <= 12:
        text = "the culture of EPAC's runner says which number of this end is the month"
        yield Found(_risk(_RUNNER, text, "YYYY-MM-DDTHH:MM:SSZ", {"expiresOn": said}), place, item, entry.number, at=at)
    elif item and item.action is Action.REFUSED and item.reason == str(Said.DATE):
        text = "the culture of EPAC's runner says whether this end is a date"
        yield Found(_risk(_RUNNER, text, "YYYY-MM-DDTHH:MM:SSZ", {"expiresOn": said}), place, item, entry.number, at=at)
    if len(found[4]) == 2 and item and item.end:
        text = f"EPAC reads this end as {item.end}"
        yield Found(_risk(_END, text, "a year of four digits", {"expiresOn": said}), place, item, entry.number, at=at)


def _in_utc(date: NetDate) -> str:
    return str(NetDate(date.utc, Kind.UTC))


def _scopes(entry: Entry) -> list[str]:
    """Return the scopes of an entry, each as it is written."""
    scope, scopes = _get(entry, "scope"), _get(entry, "scopes")
    texts = [scope] if isinstance(scope, str) else []
    if isinstance(scopes, str):
        texts += scopes.split("&")
    elif isinstance(scopes, list):
        texts += [one for one in scopes if isinstance(one, str)]
    return texts


def _last(scope: str) -> str:
    """Return a scope without what is before its colon."""
    return scope.rpartition(":")[2].strip()


def _wider(entry: Entry, item: Item, texts: Sequence[str], patterns: Sequence[str]) -> Iterator[Found]:
    """Yield where an exemption's scope is one that its pattern does not seem to mean.

    `texts`: the scopes of the entry, as written. `patterns`: those of them that are patterns.
    """
    if item.action not in (*WRITTEN, Action.UNCHANGED) or not isinstance(item.scope, str):
        return
    if any(_last(one).lower() == item.scope.lower() for one in texts):
        return
    cut = [one for one in patterns if "subscriptionspattern/" in one.lower() and _behind(one) > 0]
    if cut and item.scope.count("/") == 2:
        text = "EPAC uses only the last part of the pattern, on the names of subscriptions: this one is exempted whole"
        risk = _risk(_WIDER, text, "/subscriptions/ID/resourceGroups/PATTERN for each subscription", {"scope": cut[0]})
        yield Found(risk, _scope_place(entry), item, entry.number, at="/scope")
    stars = [one for one in patterns if "subscriptionspattern" not in one.lower()]
    if stars and all(item.scope.count("/") > one.count("/") for one in stars):
        text = "the * of its pattern also matches slashes, so EPAC exempts this scope below it, too"
        risk = _risk(_WIDER, text, "the scopes one by one, or a pattern for one kind of scope", {"scope": stars[0]})
        yield Found(risk, _scope_place(entry), item, entry.number, at="/scope")


def _behind(pattern: str) -> int:
    """Return how many parts follow the name's part of a pattern for subscriptions."""
    return pattern.lower().partition("subscriptionspattern/")[2].count("/")


def _narrowing(entry: Entry, item: Item) -> Iterator[Found]:
    """Yield where reference ids are not used."""
    said = _get(entry, "policyDefinitionReferenceIds")
    wanted = [said] if isinstance(said, str) and not entry.is_table else said
    if isinstance(said, str) and entry.is_table:
        wanted = [one.strip() for one in said.split("&") if one.strip()]
    if not isinstance(wanted, list) or not wanted or item.action not in (*WRITTEN, Action.UNCHANGED):
        return
    if isinstance(item.references, list) and item.references != wanted:
        text = "EPAC does not use these reference ids: the assignment is of one policy, or the target is a policy"
        fix = "no reference ids, or an assignment of an initiative as target"
        if isinstance(said, str):
            text = "EPAC drops reference ids that are a text where the assignment is not known: all of it is exempted"
            fix = "a list of texts"
        found = _risk(_IGNORED, text, fix, {"policyDefinitionReferenceIds": ", ".join(map(str, wanted))})
        yield _about(entry, item, found, "policyDefinitionReferenceIds")
