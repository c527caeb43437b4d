"""Judge files in this process, and compare with what is right."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from guardrails.cli.main import main

NOW: Final = "2026-11-28T12:00:00Z"


@dataclass(frozen=True, slots=True)
class Judged:
    """What judge said: its exit code, rule -> the statuses that it found, standard error."""

    code: int
    found: Mapping[str, set[str]] | None
    err: str


@dataclass(frozen=True, slots=True)
class Right:
    """What is right of a file.

    Attributes:
        must: rule -> statuses (violation, unknown) of which one is found.
        never: rule -> statuses of which none is found.
        or_exit: an exit code that settles it.
    """

    must: Mapping[str, Sequence[str]] = field(default_factory=dict)
    never: Mapping[str, Sequence[str]] = field(default_factory=dict)
    or_exit: int | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Right":
        """Read an expect.json."""
        return cls({**data.get("must", {}), **data.get("some", {})}, data.get("never", {}), data.get("or_exit"))

    def wrong_in(self, judged: Judged) -> list[str]:
        """Return what is wrong; [] where all is right."""
        if judged.code == self.or_exit:
            return []
        if judged.code == 2 or judged.found is None:
            return [f"exit {judged.code}: {judged.err}"]
        found = judged.found
        lacking = [
            f"{rule} is not {wanted}" for rule, wanted in self.must.items() if not found.get(rule, set()) & {*wanted}
        ]
        false = [f"{rule} is {bad}" for rule, bad in self.never.items() if found.get(rule, set()) & {*bad}]
        return lacking + false


def judge(capsys: pytest.CaptureFixture[str], *files: Path, more: Sequence[str] = ()) -> Judged:
    """Judge the first file, and those after it, as at NOW; an assignments.json and a ruleset.yaml beside it count."""
    folder = files[0].parent
    argv = ["judge", *map(str, files), "--now", NOW, "--format", "json", *more]
    for name, option in (("assignments.json", "--assignments"), ("ruleset.yaml", "--ruleset")):
        if (folder / name).exists():
            argv += [option, str(folder / name)]
    capsys.readouterr()
    code = main(argv)
    said = capsys.readouterr()
    try:
        listed = json.loads(said.out)
    except ValueError:
        return Judged(code, None, said.err)
    found: dict[str, set[str]] = {}
    for one in listed:
        for finding in one["findings"]:
            found.setdefault(finding["rule"], set()).add(finding["status"])
    return Judged(code, found, said.err)
