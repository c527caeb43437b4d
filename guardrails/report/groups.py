"""A report by owner, subscription, assignment and initiative: how many of each, over all of its lines. Pure."""

from collections.abc import Callable
from typing import Final

from guardrails.bypasses.model import container_of
from guardrails.dataclass import dataclass, field
from guardrails.decisions.assess import Verdict
from guardrails.exemption.expiry import State
from guardrails.exemption.ids import folded
from guardrails.report.coverage import GROUP
from guardrails.report.line import Line, place
from guardrails.report.model import Report


@dataclass(slots=True)
class Group:
    """What one owner, subscription, assignment or initiative has.

    `key` is what its lines have in common, in any casing; `label` what it is called. Both are strangers'
    texts, unescaped.
    """

    key: str
    label: str
    total: int = 0
    violations: int = 0
    expired: int = 0
    never: int = 0

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """All lines; those with a violation; those that have expired; those that never end."""
        return self.total, self.violations, self.expired, self.never

    @property
    def weight(self) -> tuple[int, int, int, str]:
        """The key to sort by: most violations, then most that are expired or never end, then most lines."""
        return -self.violations, -self.expired - self.never, -self.total, self.label.casefold()


@dataclass(slots=True)
class Grouping:
    """The groups of one kind, the heaviest first. `places`: where each line's group is among them, line by line."""

    name: str
    groups: list[Group] = field(default_factory=list)
    places: list[int] = field(default_factory=list)


def groupings(report: Report) -> list[Grouping]:
    """Return the lines of a report by owner, subscription, assignment and initiative, in this order."""
    return [_grouped(report, name, of) for name, of in _KINDS.items()]


def _grouped(report: Report, name: str, of: "_Of") -> Grouping:
    found: dict[str, Group] = {}
    keys = []
    for line in report.lines:
        key, label = of(report, line)
        group = found.get(key)
        if group is None:
            group = found[key] = Group(key, label)
        group.total += 1
        group.violations += line.verdict == Verdict.VIOLATION
        group.expired += line.state == State.EXPIRED
        group.never += line.state == State.NO_EXPIRY
        keys.append(key)
    ordered = sorted(found, key=lambda key: found[key].weight)
    places = {key: number for number, key in enumerate(ordered)}
    return Grouping(name, [found[key] for key in ordered], [places[key] for key in keys])


type _Of = Callable[[Report, Line], tuple[str, str]]
"""Returns the key of a line's group, and what the group is called."""


def _owner(report: Report, line: Line) -> tuple[str, str]:
    owner = line.owner.strip()
    return folded(owner), report.person(owner) if owner else "(no owner)"


def _subscription(report: Report, line: Line) -> tuple[str, str]:
    key = container_of(line.scope)
    if key.startswith(GROUP):
        return key, f"management group {report.containers.get(key) or key.removeprefix(GROUP)}"
    return key, report.containers.get(key) or key or "(not known)"


def _assignment(report: Report, line: Line) -> tuple[str, str]:
    scope, _, name = line.assignment.rstrip("/").rpartition("/providers/")
    if not name:
        return folded(line.assignment), line.assignment or "(none: set by a tag)"
    shown = report.assigned(line).name or name.rpartition("/")[2]
    where = place(scope, report.containers)
    return folded(line.assignment.strip("/ ")), f"{shown} ({where})" if where else shown


def _initiative(report: Report, line: Line) -> tuple[str, str]:
    if not line.assignment:
        return "", "(none: set by a tag)"
    assigned = report.assigned(line)
    definition = assigned.definition_id.rstrip("/")
    if not definition:
        return "?", "(not known)"
    kind = "" if "/policysetdefinitions/" in definition.lower() else "policy "
    return definition.lower(), assigned.definition_name or f"{kind}{definition.rpartition('/')[2]}"


_KINDS: Final[dict[str, _Of]] = {
    "owner": _owner, "subscription": _subscription, "assignment": _assignment, "initiative": _initiative,
}  # fmt: skip
