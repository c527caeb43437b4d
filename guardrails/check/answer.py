"""What a check answers: exemptions with their findings, deployments, and what could not be read. Pure.

`to_json` is the documented form `check/1`; guardrails.cli.check_schema has its schema.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from guardrails.dataclass import dataclass, field
from guardrails.decisions.assess import Finding, Verdict
from guardrails.evaluation.plan import Outcome
from guardrails.evaluation.template import Diagnostic, Level, Stage
from guardrails.evaluation.values import NOWHERE, Place, Unknown, Value, first_unknown, nulled, unknowns
from guardrails.exemption.severity import Severity

if TYPE_CHECKING:
    from guardrails.check.trace import Trace
    from guardrails.epac.plan import Action, SecondRun

SCHEMA: Final = "check/1"


class Problem(NamedTuple):
    """What could not be read, or makes no sense. Line and column are 0 where it is about a whole file."""

    path: str
    line: int
    column: int
    message: str

    def to_json(self) -> dict[str, Any]:
        """Return the documented JSON form."""
        return {"path": self.path, "line": self.line, "column": self.column, "message": self.message}


class Placed(NamedTuple):
    """A finding, the JSON pointer into the exemption of what it is about, and the place of that in the code."""

    finding: Finding
    at: str
    place: Place

    def to_json(self) -> dict[str, Any]:
        """Return the documented JSON form."""
        place = {"path": self.place.path, "line": self.place.line, "column": self.place.column}
        return {**self.finding.to_json(), "at": self.at, **place}


class Done(NamedTuple):
    """What a deployer that plans does with an exemption; see guardrails.epac.plan.

    Attributes:
        action: None where it is not known, and where nothing is done because the run is refused.
        because: in what the deployed one differs.
    """

    action: "Action | None"
    because: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the documented JSON form."""
        return {"action": self.action and str(self.action), "because": [*self.because]}


@dataclass(frozen=True, slots=True)
class Planning:
    """What a deployer's plan says besides the exemptions.

    Attributes:
        deletes: ids; None where they are not known.
        counts: name -> number; None where it is not known.
        second: None where it is not known.
        files: what becomes of each file, in the documented JSON form.
    """

    deletes: Sequence[str] | None
    counts: Mapping[str, int | None]
    second: "SecondRun | None"
    files: Sequence[Mapping[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """Return the documented JSON form."""
        return {
            "deletes": None if self.deletes is None else [*self.deletes],
            "counts": dict(self.counts),
            "second_run": self.second and self.second.to_json(),
            "files": [*self.files],
        }


@dataclass(slots=True)
class Judged:
    """One exemption that code would deploy.

    Attributes:
        format: `arm`, `bicep`, `epac` or `azpolicyfactory`.
        place, via, deployed, entry, id, scope, name, api_version, properties: as guardrails.evaluation.plan has them.
        parameters: the path of the parameter file; None where there is none.
        findings: what the rules say of it, ordered by code; () where it is not deployed.
        excluded: why the ruleset leaves it alone; "" where it does not.
        at_now: its id and properties if it were deployed now; None where they are the same.
        done: what a deployer that plans does with it; None where the format has no plan.
        trace: what it comes of, where two answers are compared; None elsewhere.
        unknown: what of it is not known, with JSON pointers into it.
    """

    format: str
    place: Place
    via: tuple[Place, ...]
    deployed: bool | None
    entry: int | None
    parameters: str | None
    id: Value
    scope: Value
    name: Value
    api_version: Value
    properties: Value
    findings: tuple[Placed, ...] = ()
    excluded: str = ""
    at_now: tuple[Value, Value] | None = None
    done: Done | None = None
    trace: "Trace | None" = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what another process makes the same of: less than each part by itself, for there are thousands."""
        return judged_again, self.apart()

    def apart(self) -> tuple[Any, ...]:
        """Return what `judged_again` makes the same of. Many of these are pickled in half the time that they take."""
        own = self.place
        findings = self.findings and [
            (one.finding, one.at, None if one.place is own else one.place) for one in self.findings
        ]
        return (
            self.format, *own, self.via, self.deployed, self.entry, self.parameters, self.id, self.scope, self.name,
            self.api_version, self.properties, findings, self.excluded, self.at_now, self.done, self.trace,
        )  # fmt: skip

    def add(self, more: Iterable[Placed]) -> None:
        """Put more findings among the others, by their codes."""
        self.findings = tuple(sorted((*self.findings, *more), key=lambda one: one.finding.code))

    @property
    def unknown(self) -> Iterator[tuple[str, Unknown]]:
        """What of it is not known, each with its JSON pointer."""
        found = [self.id, self.scope, self.name, self.api_version, self.properties]
        if first_unknown(found) is None:
            return  # as most are: the pointers are made where there is something to point to
        for name, value in zip(("id", "scope", "name", "apiVersion", "properties"), found, strict=True):
            yield from unknowns(value, f"/{name}")

    @property
    def verdict(self) -> Verdict:
        """Violation if a rule found one, else Unknown if a rule is unknown, else pass."""
        if not self.findings:
            return Verdict.PASS
        for one in self.findings:
            if one.finding.status is Verdict.VIOLATION:
                return Verdict.VIOLATION
        return Verdict.UNKNOWN

    @property
    def label(self) -> str:
        """What it is called: its id, else its name, else that it has none that is known; a stranger's text."""
        known = (value for value in (self.id, self.name) if isinstance(value, str))
        return next(known, "an exemption whose name is not known")

    def to_json(self) -> dict[str, Any]:
        """Return the documented JSON form."""
        return {
            "format": self.format,
            "path": self.place.path,
            "line": self.place.line,
            "column": self.place.column,
            "entry": self.entry,
            "via": [{"path": one.path, "line": one.line} for one in self.via],
            "parameters": self.parameters,
            "deployed": self.deployed,
            "id": nulled(self.id),
            "scope": nulled(self.scope),
            "name": nulled(self.name),
            "apiVersion": nulled(self.api_version),
            "properties": nulled(self.properties),
            "unknown": _unknown_json(self.unknown),
            "findings": [one.to_json() for one in self.findings],
            "excluded": self.excluded or None,
            **(self.done.to_json() if self.done else {}),
        }


def judged_again(form: str, path: str, line: int, column: int, *rest: Any) -> Judged:
    """Return what Judged.apart took apart."""
    place = Place(path, line, column)
    made = Judged(form, place, *rest)
    if made.findings:
        made.findings = tuple([Placed(finding, at, other or place) for finding, at, other in made.findings])
    return made


@dataclass(slots=True)
class Deployment:
    """One template with its parameters, or one folder of a deployer's files, and what becomes of it.

    Attributes:
        run: what distinguishes it from others: the paths of the template and its parameters, or that of the folder.
        planning: None where the format has no plan.
    """

    format: str
    paths: list[str]
    parameters: str | None
    outcome: Outcome
    stage: Stage | None
    outputs: dict[str, Value] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    planning: Planning | None = None
    run: str = ""

    @property
    def unknown(self) -> Iterator[tuple[str, Unknown]]:
        """What of its outputs is not known."""
        yield from unknowns(self.outputs, "/outputs")

    def to_json(self) -> dict[str, Any]:
        """Return the documented JSON form."""
        return {
            "format": self.format,
            "paths": self.paths,
            "parameters": self.parameters,
            "outcome": str(self.outcome),
            "stage": self.stage and str(self.stage),
            "outputs": nulled(self.outputs),
            "unknown": _unknown_json(self.unknown),
            "diagnostics": [
                {
                    "path": one.place.path, "line": one.place.line, "column": one.place.column,
                    "level": str(one.level), "rule": one.rule or None, "message": one.message,
                }
                for one in self.diagnostics
            ],
            **(self.planning.to_json() if self.planning else {}),
        }  # fmt: skip


@dataclass(slots=True)
class Answer:
    """What a check found.

    Attributes:
        notes: what is worth knowing of the run, a sentence each.
        skipped: names of the rules that are on and that no check of code can run.
    """

    exemptions: list[Judged] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)
    errors: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the documented JSON form."""
        return {
            "schema": SCHEMA,
            "exemptions": [one.to_json() for one in self.exemptions],
            "deployments": [one.to_json() for one in self.deployments],
            "errors": [one.to_json() for one in self.errors],
            "notes": self.notes,
            "skipped": list(self.skipped),
        }

    @property
    def findings(self) -> Iterator[tuple[Judged, Placed]]:
        """All findings, each with its exemption."""
        for one in self.exemptions:
            for placed in one.findings:
                yield one, placed

    @property
    def refused(self) -> Sequence[Deployment]:
        """The deployments that would be refused."""
        return [one for one in self.deployments if one.outcome is Outcome.REFUSED]

    @property
    def problems(self) -> Iterator[Problem]:
        """What could not be read, and why deployments would be refused, each once."""
        yield from dict.fromkeys((*self.errors, *self._said(Level.ERROR)))

    @property
    def warnings(self) -> Iterator[Problem]:
        """What readers and the compiler warn of, each once."""
        yield from dict.fromkeys(self._said(Level.WARNING))

    def _said(self, level: Level) -> Iterator[Problem]:
        for deployment in self.deployments:
            for said in deployment.diagnostics:
                if said.level is level:
                    yield Problem(*said.place, said.message)

    def code(self, fail_on: Severity, *, strict: bool) -> int:
        """Return the exit code.

        2 where something could not be read or would be refused, else 1 for a violation of `fail_on` or worse, else, if
        `strict`, 3 where something is unknown, else 0.
        """
        if self.errors or self.refused:
            return 2
        unknown = False
        for _, placed in self.findings:
            one = placed.finding
            if one.status is Verdict.UNKNOWN:
                unknown = True
            elif one.severity.rank <= fail_on.rank:
                return 1
        unknown = unknown or any(one.outcome is Outcome.UNKNOWN for one in self.deployments)
        return 3 if strict and unknown else 0


def _unknown_json(found: Iterator[tuple[str, Unknown]]) -> list[dict[str, Any]]:
    return [
        {"at": at, "reason": one.reason, "path": one.place.path or None, "line": one.place.line or None}
        for at, one in found
    ]


ELSEWHERE: Final = NOWHERE
"""The place of what is nowhere in the code."""
