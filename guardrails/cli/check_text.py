"""What `check` found, as text: each finding with its place, the line of code and the reason in plain words.

Strangers write the code, and names of files too. The screen takes out what a terminal obeys; here is what a pipeline
obeys: no line begins as a workflow command of GitHub does.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from guardrails.channels.text import plain
from guardrails.check.answer import Answer, Judged, Placed, Problem
from guardrails.check.azure_objects import NOT_GIVEN
from guardrails.cli.screen import Screen
from guardrails.decisions.assess import Verdict
from guardrails.evaluation.plan import Outcome
from guardrails.evaluation.values import Place
from guardrails.exemption.counts import number_of

if TYPE_CHECKING:
    from guardrails.check.explain import Origin

type Lines = Callable[[str, int], str]
"""(path, line) -> that line of code; "" where it cannot be shown."""

_LONGEST: Final = 300


def show(
    answer: Answer,
    lines: Lines,
    screen: Screen,
    origins: "Mapping[int, Sequence[tuple[str, Sequence[Origin]]]]" = MappingProxyType({}),
    *,
    strict: bool = False,
) -> None:
    """Print it all: what could not be read, each exemption that has findings, and the sums.

    Args:
        origins: by the number of an exemption, where its values come from; {} where nobody asked.
        strict: what is unknown only because its assignment was not given is listed, too, and not only counted.
    """
    for problem in answer.problems:
        show_problem(problem, "error", lines, screen)
    for problem in answer.warnings:
        show_problem(problem, "warning", lines, screen)
    lacking = 0
    for number, one in enumerate(answer.exemptions):
        others = [each for each in one.findings if not lacks_assignment(each)]
        lacking += len(one.findings) - len(others)
        listed = one.findings if strict else others
        if listed or number in origins:
            show_exemption(one, listed, origins.get(number, ()), lines, screen)
    for text in summary(answer, lacking):
        _say(screen, text)


def show_problem(problem: Problem, level: str, lines: Lines | None, screen: Screen) -> None:
    """Print what could not be read. `level`: what is said of it; `lines`: None where no line of code can be shown."""
    style = "high" if level.startswith("error") else "medium"
    _say(screen, f"{_where(problem.path, problem.line, problem.column)}: {level}: {problem.message}", style=style)
    if lines:
        _code(problem.path, problem.line, problem.column, lines, screen)
    screen.line()


def lacks_assignment(placed: Placed) -> bool:
    """Whether a finding is unknown only because nobody gave the assignment."""
    return placed.finding.status is Verdict.UNKNOWN and NOT_GIVEN.reason in placed.finding.text


def show_exemption(
    one: Judged,
    listed: Sequence[Placed],
    origins: "Sequence[tuple[str, Sequence[Origin]]]",
    lines: Lines,
    screen: Screen,
) -> None:
    """Print an exemption with some of its findings."""
    _say(screen, f"{place_text(one.place)}: {one.verdict}: {one.label}", style=str(one.verdict))
    for text in context(one):
        _say(screen, text, indent=2, style="dim")
    shown: set[tuple[str, int]] = set()
    for placed in listed:
        if placed.finding.status is Verdict.VIOLATION:
            _finding(placed, one, lines, shown, screen)
    for reason, some in _unknown(listed).items():
        _say(screen, f"unknown: {', '.join(each.finding.rule for each in some)}: {reason}", indent=2, style="unknown")
        where = some[0].place
        if where.path and (where.path, where.line) not in shown:
            shown.add((where.path, where.line))
            _at(where, one, screen)
            _code(*where, lines, screen)
    for at, froms in origins:
        _say(screen, f"{at} comes from:", indent=2)
        for origin in froms:
            _say(screen, f"- {origin.what} at {place_text(origin.place)}", indent=4)
    screen.line()


def _finding(placed: Placed, one: Judged, lines: Lines, shown: set[tuple[str, int]], screen: Screen) -> None:
    finding = placed.finding
    head = f"{finding.code} {finding.rule} ({finding.severity}): {finding.text}"
    _say(screen, head, indent=2, style=str(finding.severity))
    where = placed.place.path, placed.place.line
    if where not in shown:
        shown.add(where)
        _at(placed.place, one, screen)
        _code(*placed.place, lines, screen)
    for text in (evidence_text(finding.evidence), f"fix: {fix_text(placed)}"):
        if text:
            _say(screen, text, indent=4)


def _unknown(listed: Sequence[Placed]) -> dict[str, list[Placed]]:
    """Return the findings that are unknown, by their reason."""
    found: dict[str, list[Placed]] = {}
    for placed in listed:
        if placed.finding.status is Verdict.UNKNOWN:
            found.setdefault(placed.finding.text, []).append(placed)
    return found


def _at(place: Place, one: Judged, screen: Screen) -> None:
    if (place.path, place.line) != (one.place.path, one.place.line):
        _say(screen, f"at {place_text(place)}", indent=4)


def _say(screen: Screen, text: str, *, indent: int = 0, style: str = "") -> None:
    screen.line(inert(text), indent=indent, style=style)


def context(one: Judged) -> Iterator[str]:
    """Yield what more is to be said of where an exemption comes from."""
    if one.deployed is None and one.done:
        yield "whether it is deployed is not known"
    elif one.deployed is None:
        yield "deployed only if a condition or a loop says so, which is not known"
    if one.via:
        yield f"deployed by {', then '.join(place_text(via, column=False) for via in one.via)}"
    if one.parameters:
        yield f"with the parameters of {one.parameters}"


def fix_text(placed: Placed) -> str:
    """Return what to change: the field and what is allowed there; else the rule's own sentence."""
    change = placed.finding.change
    if change is None:
        return placed.finding.remediation
    current = "" if change.current in (None, "", ()) else f" (now {_value(change.current)})"
    return f"{change.field.removeprefix('properties.')}{current}: {change.allowed}"


def evidence_text(evidence: Any) -> str:
    """Return evidence for people; "" for none."""
    said = ", ".join(f"{name}: {_value(value)}" for name, value in evidence.items() if value not in (None, "", [], {}))
    return said and f"evidence: {said}"


def summary(answer: Answer, lacking: int | None = None) -> list[str]:
    """Return the sums, a sentence each. `lacking`: how many findings lack the assignment; None: to be counted."""
    judged = [one for one in answer.exemptions if one.deployed is not False]
    counted = Counter(one.verdict for one in judged)
    counts = {verdict: counted[verdict] for verdict in Verdict}
    refused = len(answer.refused)
    unknown = sum(one.outcome is Outcome.UNKNOWN for one in answer.deployments)
    parts = [
        f"{number_of(len(answer.deployments), 'deployment')}"
        + (f", {refused} refused" if refused else "")
        + (f", {unknown} unknown" if unknown else ""),
        f"{number_of(len(judged), 'exemption')}: " + ", ".join(f"{count} {name}" for name, count in counts.items()),
    ]
    excluded = sum(bool(one.excluded) for one in judged)
    if excluded:
        parts.append(f"{excluded} excluded by the ruleset")
    if answer.errors:
        parts.append(f"{number_of(len(answer.errors), 'file')} not read")
    if lacking is None:
        lacking = sum(sum(map(lacks_assignment, one.findings)) for one in answer.exemptions)
    more = (
        f"{number_of(lacking, 'finding')} unknown because the assignment is not known: give it with --azure, or use"
        " --online"
    )
    return ["; ".join(parts), *([more] if lacking else [])]


def inert(text: str) -> str:
    """Return a text that no line of which is a workflow command, wherever it comes to be."""
    text = text.replace("##[", "## [")
    bare = text.lstrip()
    return f"./{bare}" if bare[:1] == ":" else text


def place_text(place: Place, *, column: bool = True) -> str:
    """Return a place as editors and terminals link it."""
    return _where(place.path, place.line, place.column if column else 0)


def _where(path: str, line: int, column: int) -> str:
    return path + (f":{line}" if line else "") + (f":{column}" if line and column else "")


def _code(path: str, line: int, column: int, lines: Lines, screen: Screen) -> None:
    """Print the line of code, and a mark below its column."""
    code = lines(path, line)[: 4 * _LONGEST] if line else ""
    shown = plain(code, _LONGEST)
    if not shown:
        return
    gutter = f"{line} | "
    _say(screen, gutter + shown, indent=4)
    before = code[: max(column - 1, 0)].lstrip()
    at = len(plain(before, _LONGEST)) + before[-1:].isspace() if before else 0
    if column and at < len(shown):
        screen.mark(" " * (len(gutter) + at) + "^", indent=4)


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return ", ".join(f"{name}={_value(item)}" for name, item in value.items())
    return "none" if value is None or value == "" else str(value)
