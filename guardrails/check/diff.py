"""What a change of the code does to exemptions: two answers of a check, before it and after it, compared. Pure.

An exemption counts as there if its deployment makes it. Where a deployment is refused, what its files say is compared,
and that it is refused is said of the deployment.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from guardrails.check.answer import Answer, Deployment, Judged, Placed, Problem
from guardrails.check.azure_objects import AzureObjects
from guardrails.check.changes import details
from guardrails.check.effects import IMPROVES, ORDER, Detail, Effect
from guardrails.check.epac import FORMAT as EPAC
from guardrails.check.epac import deletes_of, has_no_folder
from guardrails.check.pairs import findings_only, pairs_of
from guardrails.check.states import State, repeated, states_of
from guardrails.check.trace import WHOLE, Trace
from guardrails.dataclass import dataclass, field
from guardrails.decisions.assess import Verdict
from guardrails.epac.plan import Action
from guardrails.evaluation.plan import Outcome
from guardrails.evaluation.values import Place, Unknown
from guardrails.exemption.severity import Severity

_NOT_MADE: Final = (Action.LEFT_OUT, Action.REFUSED)
_NO_OBJECTS: Final = AzureObjects()


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two answers.

    Attributes:
        azure: what is known of Azure for each exemption of the answer.
        text_of: the text of a file by its path; None where there is none, or where it cannot be read.
        apart: the paths of folders that were not read, as submodules are.
        left_out: the paths of files and folders that were not read because of .gitignore.
    """

    answer: Answer
    azure: Sequence[AzureObjects]
    text_of: Callable[[str], str | None]
    apart: Sequence[str] = ()
    left_out: Collection[str] = ()

    def leaves_out(self, path: str) -> bool:
        """Whether a file was not read because of .gitignore, which may name a folder above it."""
        if not self.left_out:
            return False
        parts = path.split("/")
        return any("/".join(parts[:count]) in self.left_out for count in range(1, len(parts) + 1))


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one exemption.

    Attributes:
        before, after: the exemption on each side; None where it is not there.
        label: what it is called, a stranger's text.
    """

    before: Judged | None
    after: Judged | None
    label: str
    details: tuple[Detail, ...]

    @property
    def effects(self) -> tuple[Effect, ...]:
        """What the change does to it, what matters most first."""
        found = {one.effect for one in self.details}
        return tuple(one for one in ORDER if one in found)

    def to_json(self) -> dict[str, Any]:
        """Return the documented JSON form."""
        some = {"before": self.before, "after": self.after}
        places = {name: one and {"path": one.place.path, "line": one.place.line} for name, one in some.items()}
        return {
            "effects": [*map(str, self.effects)], "exemption": self.label, **places,
            "details": [one.to_json() for one in self.details],
        }  # fmt: skip


@dataclass(slots=True)
class Diff:
    """What a change does.

    Attributes:
        changes: of the exemptions that it touches, what matters most first.
        unchanged: how many it does not touch.
        runs: sentences on deployments that are refused or unknown on one side alone.
        unread: what could not be read before the change.
        as_before: what could not be read, or was refused, in the same way before, in files that have not changed.
        states: id() of a finding's place in the later answer -> what it was before.
        better: id() of those that the change makes no worse.
    """

    changes: list[Change] = field(default_factory=list)
    unchanged: int = 0
    runs: list[str] = field(default_factory=list)
    unread: list[Problem] = field(default_factory=list)
    as_before: frozenset[Problem] = frozenset()
    states: dict[int, State] = field(default_factory=dict)
    better: set[int] = field(default_factory=set)

    def state(self, placed: Placed) -> State:
        """Return what a finding of the later answer was before."""
        return self.states.get(id(placed), State.NEW)

    def brings(self, placed: Placed) -> bool:
        """Whether the change brings a finding, or makes it worse."""
        return self.state(placed) is not State.UNCHANGED and id(placed) not in self.better

    @property
    def counts(self) -> Mapping[Effect, int]:
        """How many exemptions are touched in each way."""
        return {
            effect: count for effect in ORDER if (count := sum(effect in one.effects for one in self.changes))
        }  # fmt: skip

    def code(self, answer: Answer, fail_on: Severity, *, strict: bool) -> int:
        """Return the exit code: as Answer.code has it, for what the change brings.

        With `strict`, 3 also where something of what it does is not known.
        """
        if any(one not in self.as_before for one in answer.problems):
            return 2
        found = [placed.finding for _, placed in answer.findings if self.brings(placed)]
        if any(one.status is Verdict.VIOLATION and one.severity.rank <= fail_on.rank for one in found):
            return 1
        unknown = any(one.status is Verdict.UNKNOWN for one in found) or Effect.UNKNOWN in self.counts
        return 3 if strict and (unknown or self.unread) else 0


def compare(before: Side, after: Side) -> Diff:
    """Return what the change between two answers does."""
    return _Comparison(before, after).diff()


class _Comparison:
    def __init__(self, before: Side, after: Side) -> None:
        self._before, self._after = before, after
        self._made = Diff()
        self._changed: dict[str, bool] = {}
        self._azure = {
            id(one): azure
            for side in (before, after)
            for one, azure in zip(side.answer.exemptions, side.azure, strict=True)
        }
        self._unread = [one.path for one in before.answer.errors]
        self._unread_now = [one.path for one in after.answer.errors]

    def diff(self) -> Diff:
        made, before, after = self._made, self._before.answer, self._after.answer
        made.unread = [*before.errors]
        made.unread += [
            Problem(path, 0, 0, "it is a submodule; what it held is not read")
            for path in self._before.apart
            if any(one.place.path.startswith(f"{path}/") for one in after.exemptions)
        ]
        earlier = {(one.path, one.message) for one in before.problems}
        made.as_before = frozenset(
            one for one in after.problems if (one.path, one.message) in earlier and not self._differs(one.path)
        )
        made.runs += self._runs(before.deployments, after.deployments)
        for one, other in pairs_of(before.exemptions, after.exemptions):
            some = () if _only_findings(one, other) else self._details(one, other)
            found = sorted(some, key=lambda each: ORDER.index(each.effect))
            effects = {each.effect for each in found}
            if found:
                made.changes.append(Change(one, other, _label(one, other), tuple(self._placed(found, one, other))))
            elif not _only_findings(one, other) and _is_there(other) is not False:
                made.unchanged += 1
            if other is not None:
                self._findings(one, other, better=bool(effects) and effects <= IMPROVES)
        self._repetitions()
        made.changes += self._deletions(made.changes)
        made.changes.sort(key=lambda one: min(ORDER.index(effect) for effect in one.effects))
        return made

    def _details(self, one: Judged | None, other: Judged | None) -> Iterator[Detail]:
        """Yield what becomes of an exemption."""
        if refused := _refused(one, "before") or _refused(other, "now"):
            if one is None or other is None or not (
                self._is_untouched(one.trace, other.trace) or _says_the_same(one, other)
            ):  # fmt: skip
                what = "it may be new" if one is None else "it may be removed" if other is None else "it may differ"
                yield Detail(Effect.UNKNOWN, "", f"{what}: {refused}")
            return
        was, now = _is_there(one), _is_there(other)
        if now is False:
            if one is not None and (twin := _twin(one, self._after)):
                yield Detail(Effect.CHANGED, "", "{} no longer deploys it; {} still does".format(*_runs(one, twin)))
                yield from self._differences(one, twin)
            elif one is not None and was is not False:
                yield self._gone(one, other, certain=was is True)
        elif other is not None and was is False and (twin := _twin(other, self._before)):
            text = "{} deploys it now, too; {} did before, and what is deployed last counts"
            yield Detail(Effect.CHANGED, "", text.format(*_runs(other, twin)))
            yield from self._differences(twin, other)
        elif other is not None and was is False:
            yield self._new(one, other, certain=now is True)
        elif one is not None and other is not None:
            if was is not now or (was is None and not self._same(one, other)(WHOLE)):
                yield _presence(was=was, now=now)
            yield from self._differences(one, other)
            yield from _doings(one, other)

    def _differences(self, one: Judged, other: Judged) -> Iterator[Detail]:
        """Yield what differs of what is deployed."""
        azure = self._azure.get(id(one), _NO_OBJECTS), self._azure.get(id(other), _NO_OBJECTS)
        return details(one, other, self._same(one, other), azure)

    def _gone(self, one: Judged, other: Judged | None, *, certain: bool) -> Detail:
        doubt = _doubt(one, self._unread_now, self._after, "now")
        if doubt and other is None:
            return Detail(Effect.UNKNOWN, "", f"it may be removed: {doubt}")
        what = "it is no longer deployed"
        if other is not None and other.done is None:
            what = "its condition is false now, so it is no longer deployed"
        elif other is not None and other.trace and other.trace.reason:
            what = f"{'EPAC' if other.format == 'epac' else 'AzPolicyFactory'} makes no exemption of it now: "
            what += other.trace.reason
        if not certain:
            return Detail(Effect.UNKNOWN, "", f"{what}; whether it was before is not known")
        return Detail(Effect.REMOVED, "", f"{what}; {self._afterwards(one)}")

    def _afterwards(self, one: Judged) -> str:
        """Return what becomes in Azure of an exemption that is no longer in the code."""
        if one.format == EPAC:
            runs, run = self._after.answer.deployments, one.trace.run if one.trace else ""
            deletes = deletes_of(runs, run)
            if deletes is None:
                return "EPAC deletes it, if it is deployed and EPAC owns it"
            if isinstance(one.id, str) and one.id.lower() in deletes:
                return "EPAC deletes it"
            if has_no_folder(runs, run):
                return "EPAC leaves it in Azure, for its environment has no folder now"
            return "EPAC deletes nothing of this id: Azure does not have it as EPAC's"
        if one.format == "azpolicyfactory":
            return "AzPolicyFactory does not delete it in Azure"
        return "an incremental deployment does not delete it in Azure"

    def _new(self, one: Judged | None, other: Judged, *, certain: bool) -> Detail:
        doubt = _doubt(other, self._unread, self._before, "before")
        inside = [path for path in self._before.apart if other.place.path.startswith(f"{path}/")]
        if one is None and (doubt or inside):
            return Detail(Effect.UNKNOWN, "", f"it may be new: {doubt or 'what the submodule held is not read'}")
        if not certain:
            return Detail(Effect.UNKNOWN, "", "it may be new: whether it is deployed is not known")
        why = ""
        if one is not None and one.done is None:
            why = "; its condition was false before"
        elif one is not None and one.trace and one.trace.reason:
            why = f"; no exemption was made of it before: {one.trace.reason}"
        return Detail(Effect.ADDED, "", f"it is new{why}")

    def _same(self, one: Judged, other: Judged) -> Callable[[str], bool]:
        """Return what says whether an unknown value comes of the same on both sides."""
        old, new = one.trace, other.trace
        if old is None or new is None:
            return lambda _: False
        if self._is_untouched(old, new):
            return lambda _: True
        return lambda at: (basis := old.basis(at)) is not None and basis == new.basis(at)

    def _is_untouched(self, old: Trace | None, new: Trace | None) -> bool:
        """Whether nothing at all that an exemption comes of has changed."""
        if old is None or new is None or old.world != new.world:
            return False
        return {*old.files} == {*new.files} and not any(map(self._differs, new.files))

    def _differs(self, path: str) -> bool:
        """Whether the content of a file differs between the sides; line ends do not count."""
        if not path:
            return False
        if path not in self._changed:
            texts = [side.text_of(path) for side in (self._before, self._after)]
            old, new = (None if text is None else text.replace("\r\n", "\n") for text in texts)
            self._changed[path] = old != new
        return self._changed[path]

    def _placed(self, found: Iterable[Detail], one: Judged | None, other: Judged | None) -> Iterator[Detail]:
        """Yield differences with the places through which they come."""
        for detail in found:
            yield detail._replace(through=self._through(detail.at, one, other))

    def _through(self, at: str, one: Judged | None, other: Judged | None) -> tuple[Place, ...]:
        own = {each.place.path for each in (one, other) if each}
        if one and other and _says_the_same(one, other):
            own = set()  # what the entry says is the same
        old = self._lines(one, at, self._before)
        new = self._lines(other, at, self._after)
        seen = {text for _, text in old}
        places = {place.path: place for place, text in new if text not in seen and self._differs(place.path)}
        if not places:
            seen = {text for _, text in new}
            places = {place.path: place._replace(line=0) for place, text in old
                      if text not in seen and self._differs(place.path)}  # fmt: skip
        if places:
            return tuple(place for path, place in places.items() if path not in own)
        files = dict.fromkeys(path for each in (other, one) if each and each.trace for path in each.trace.files)
        changed = [path for path in files if self._differs(path)]
        mine = any(self._differs(path) for path in own)
        return () if mine and not self._same_line(one, other, at) else tuple(
            Place(path, 0, 0) for path in changed if path not in own
        )  # fmt: skip

    def _lines(self, one: Judged | None, at: str, side: Side) -> list[tuple[Place, str]]:
        """Return the places that a value leads through, each with its line of code."""
        if one is None or one.trace is None:
            return []
        there = at
        while there and there not in one.trace.places:
            there = there.rpartition("/")[0]
        some = [*([] if there else [one.place]), *one.trace.places.get(there, ()), *one.via]
        return [(place, _line(side.text_of(place.path), place.line)) for place in some if place.path]

    def _same_line(self, one: Judged | None, other: Judged | None, at: str) -> bool:
        """Whether the lines that a value leads through are the same, so that the change must come from elsewhere."""
        if one is None or other is None:
            return False
        entries = [each.trace.entry for each in (one, other) if each.trace]
        if any(entries):
            return len({*entries}) == 1
        return bool(at) and [text for _, text in self._lines(one, at, self._before)] == [
            text for _, text in self._lines(other, at, self._after)
        ]

    def _findings(self, one: Judged | None, other: Judged, *, better: bool) -> None:
        """Note of each finding what it was before."""
        for placed, state in states_of(one, other):
            self._made.states[id(placed)] = state
            if state is State.UPDATED and better:
                self._made.better.add(id(placed))

    def _repetitions(self) -> None:
        """Note which findings say only that exemptions repeat one another as they did before."""
        changed = [each for change in self._made.changes for each in (change.before, change.after) if each]
        for placed in repeated(self._before.answer, self._after.answer, changed):
            self._made.states[id(placed)] = State.UNCHANGED

    def _runs(self, before: Sequence[Deployment], after: Sequence[Deployment]) -> Iterator[str]:
        """Yield which deployments are refused, or unknown, on one side alone."""
        earlier = {one.run: one for one in before}
        for one in after:
            old = earlier.get(one.run)
            if old is None or old.outcome is one.outcome:
                continue
            if one.outcome is Outcome.REFUSED:
                yield f"{one.run}: refused now, so nothing of it is deployed or deleted until that is corrected"
            elif old.outcome is Outcome.REFUSED and one.outcome is Outcome.DEPLOYS:
                yield f"{one.run}: deployed now; before, it was refused, so all of its exemptions take effect"
            elif Outcome.UNKNOWN in (one.outcome, old.outcome):
                when = "now" if one.outcome is Outcome.UNKNOWN else "before"
                yield f"{one.run}: whether it is deployed is not known {when}"

    def _deletions(self, changes: Sequence[Change]) -> Iterator[Change]:
        """Yield what a deployer deletes now and did not before, or the other way round, and no entry is of."""
        said = {str(one.id).lower() for change in changes for one in (change.before, change.after) if one}
        there = {str(one.id).lower() for one in self._after.answer.exemptions if _is_there(one) is not False}
        earlier = {one.run: one for one in self._before.answer.deployments}
        for run in self._after.answer.deployments:
            old = earlier.get(run.run)
            now = run.planning.deletes if run.planning else None
            was = old.planning.deletes if old and old.planning else None
            if now is None or (was is None and old is not None):
                continue
            was = was or ()
            through = self._changed_files(run, old)
            for identity in now:
                if identity.lower() not in said and identity.lower() not in {*map(str.lower, was)}:
                    text = "EPAC deletes it in Azure now; it did not before"
                    yield Change(None, None, identity, (Detail(Effect.REMOVED, "", text, through=through),))
            for identity in was:
                low = identity.lower()
                if low not in said and low not in there and low not in {*map(str.lower, now)}:
                    text = "EPAC no longer deletes it in Azure; before, it would have"
                    yield Change(None, None, identity, (Detail(Effect.KEPT, "", text, through=through),))

    def _changed_files(self, *runs: Deployment | None) -> tuple[Place, ...]:
        """Return the files of some runs that differ."""
        traces = [one.trace for side in (self._after, self._before) for one in side.answer.exemptions if one.trace]
        keys = {one.run for one in runs if one}
        files = dict.fromkeys(path for one in traces if one.run in keys for path in one.files)
        files |= dict.fromkeys(path for one in runs if one for path in one.paths)
        return tuple(Place(path, 0, 0) for path in files if self._differs(path))


def _only_findings(one: Judged | None, other: Judged | None) -> bool:
    return all(findings_only(each) for each in (one, other) if each)


def _label(*some: Judged | None) -> str:
    """Return what an exemption is called: by its id where that is known on either side, the later one first."""
    there = [one for one in reversed(some) if one is not None]
    return next((one.label for one in there if isinstance(one.id, str)), there[0].label)


def _twin(one: Judged, side: Side) -> Judged | None:
    """Return what deploys the same exemption, by its id, on a side; None where nothing surely does, or for EPAC."""
    if one.deployed is not True or one.format == EPAC or not isinstance(one.id, str):
        return None
    low = one.id.lower()
    some = (each for each in side.answer.exemptions if isinstance(each.id, str) and each.id.lower() == low)
    return next((each for each in some if each.deployed and each.format != EPAC and not _refused(each, "")), None)


def _runs(*some: Judged) -> list[str]:
    """Return what deploys each of some exemptions: its run, or its place where they are of one run."""
    runs = [one.trace.run if one.trace else "" for one in some]
    return runs if len({*runs}) > 1 else [f"{one.place.path}:{one.place.line}" for one in some]


def _is_there(one: Judged | None) -> bool | None:
    """Whether an exemption is deployed; of a deployment that is refused, whether it would be if that were corrected."""
    if one is None:
        return False
    if one.done is None or one.trace is None:
        return one.deployed
    if one.done.action in _NOT_MADE:
        return False
    if one.done.action is not None:
        return True
    return True if one.trace.outcome is Outcome.REFUSED else one.deployed


def _says_the_same(one: Judged, other: Judged) -> bool:
    """Whether an entry in a deployer's file is the same on both sides."""
    return bool(one.trace and other.trace and one.trace.entry and one.trace.entry == other.trace.entry)


def _refused(one: Judged | None, when: str) -> str:
    """Return that the run of an exemption is refused on a side, so that not all of it may be known; "" elsewhere."""
    if one is None or one.trace is None or one.trace.outcome is not Outcome.REFUSED:
        return ""
    if one.done and (one.done.action in _NOT_MADE or not isinstance(one.properties, Unknown)):
        return ""  # the deployer's plan says what it is
    return (
        f"{one.trace.run} {'is' if when == 'now' else 'was'} refused {when}, so what it holds is not known for certain"
    )


def _presence(*, was: bool | None, now: bool | None) -> Detail:
    if now is None and was is None:
        return Detail(Effect.UNKNOWN, "", "whether it is deployed is not known before nor after, and may differ")
    when = "now" if now is None else "before"
    return Detail(Effect.UNKNOWN, "", f"whether it is deployed is not known {when}")


def _doings(one: Judged, other: Judged) -> Iterator[Detail]:
    """Yield that EPAC deletes an exemption and makes it again now, and did not before."""
    if one.done and other.done and other.done.action is Action.REPLACE and one.done.action is not Action.REPLACE:
        because = f" (because of {', '.join(other.done.because)})" if other.done.because else ""
        yield Detail(Effect.CHANGED, "", f"EPAC deletes it and makes it again{because}")


def _doubt(one: Judged, unread: Sequence[str], side: Side, when: str) -> str:
    """Return why it is not known whether the other side has an exemption; "" where it is.

    Args:
        unread: the paths of what could not be read there.
        side: that side.
        when: which side that is: `now` or `before`.
    """
    trace = one.trace
    if trace is None:
        return ""
    folder = one.place.path.rpartition("/")[0] if one.done else None
    for path in unread:
        if path in trace.files or path == one.place.path or (folder and path.startswith(f"{folder}/")):
            return f"{path} could not be read {when}"
    if side.leaves_out(one.place.path):
        return f".gitignore {'leaves' if when == 'now' else 'left'} {one.place.path} out {when}, so it is not checked"
    for run in side.answer.deployments:
        if run.run == trace.run and run.outcome is Outcome.REFUSED and run.planning is None:
            return f"{run.run} {'is' if when == 'now' else 'was'} refused {when}, so what it holds is not known"
        if run.run == trace.run and run.outcome is Outcome.UNKNOWN and run.planning is not None:
            return f"what {run.run} makes is not known {when}"
    return ""


def _line(text: str | None, line: int) -> str:
    lines = (text or "").split("\n")
    return lines[line - 1].strip() if 0 < line <= len(lines) else ""
