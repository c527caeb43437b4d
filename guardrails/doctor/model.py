"""Findings of the start-up check, and their states. Pure."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, Final

from guardrails.dataclass import dataclass


class State(StrEnum):
    """The state of what was looked at. `skipped`: it was not looked at, and the finding says why."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


_MOST: Final = 12
"""So many findings of a kind are shown; the rest is counted."""
_WORST: Final = (State.FAIL, State.UNKNOWN, State.PASS, State.SKIPPED)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        seen: what was seen; it holds no secret.
        remediation: what to do about it; "" where nothing is to be done.
        about: the scope, route, queue ... that it is about; "" where the check is about one thing.
    """

    state: State
    seen: str
    remediation: str = ""
    about: str = ""

    @property
    def line(self) -> str:
        """What was seen, and where."""
        return f"{self.about}: {self.seen}" if self.about else self.seen

    def to_json(self) -> dict[str, str]:
        """Return it JSON-ready."""
        return {"state": str(self.state), "about": self.about, "seen": self.seen, "remediation": self.remediation}


def passed(seen: str, *, about: str = "", remediation: str = "") -> Finding:
    """Return a finding that all is well; `remediation`: what may be done nevertheless."""
    return Finding(State.PASS, seen, remediation, about)


def failed(seen: str, remediation: str, *, about: str = "") -> Finding:
    """Return a finding that something is wrong."""
    return Finding(State.FAIL, seen, remediation, about)


def unknown(seen: str, remediation: str, *, about: str = "") -> Finding:
    """Return a finding that it is unknown."""
    return Finding(State.UNKNOWN, seen, remediation, about)


def informed(lines: Sequence[tuple[str, str]], remediation: str) -> list[Finding]:
    """Return findings that are no failures, as (about, seen): the first ones, and how many more there are."""
    more = [passed(f"{len(lines) - _MOST} more like these", remediation=remediation)] if len(lines) > _MOST else []
    return [*(passed(seen, about=about, remediation=remediation) for about, seen in lines[:_MOST]), *more]


@dataclass(frozen=True, slots=True)
class Result:
    """What one check found."""

    check: str
    findings: Sequence[Finding]

    @property
    def state(self) -> State:
        """The worst of its findings."""
        return worst(finding.state for finding in self.findings)

    @property
    def detail(self) -> str:
        """What its worst findings say, and nothing of the better ones."""
        return "; ".join(finding.line for finding in self.findings if finding.state is self.state)

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        findings = [finding.to_json() for finding in self.findings]
        return {"check": self.check, "state": str(self.state), "findings": findings}


@dataclass(frozen=True, slots=True)
class Report:
    """What all checks found, in their order."""

    results: Sequence[Result]

    @property
    def state(self) -> State:
        """The worst of its results."""
        return worst(result.state for result in self.results)

    @property
    def exit_code(self) -> int:
        """Return 0 where all is well, 1 where something fails, 3 where nothing fails and something is unknown."""
        return {State.FAIL: 1, State.UNKNOWN: 3}.get(self.state, 0)

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {"state": str(self.state), "checks": [result.to_json() for result in self.results]}


def worst(states: Iterable[State]) -> State:
    """Return the worst: fail, unknown, pass, skipped. Nothing looked at is unknown."""
    found = set(states)
    return next((state for state in _WORST if state in found), State.UNKNOWN)
