"""`check --compiler`: a Bicep compiler's own reading of the checked files, computed here like any other template.

It is run as `FILE build --no-restore --stdout X.bicep`: nothing is fetched and nothing written. It is the only program
that `check` runs, and only where somebody asks for it. It may read what a Bicep file loads from outside the repository.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from guardrails.check.answer import Problem
from guardrails.check.second_opinion import Difference
from guardrails.evaluation.values import NOWHERE, Place, nulled
from guardrails.files.walk import LARGEST
from guardrails.lazy_regex import lazy_regex

SECONDS: Final = 120
"""How long one file may take."""
_SAID: Final = lazy_regex(r"^.*?\((\d+),(\d+)\) : Error ([\w-]+): (.*)$", re.MULTILINE)
_SHOWN: Final = 200


class Compiled(NamedTuple):
    """What a compiler makes of a file: a template's JSON, or b"" and why there is none."""

    template: bytes
    problems: tuple[Problem, ...] = ()
    refused: bool = False


def compile_file(compiler: Path, root: Path, path: str) -> Compiled:
    """Compile a file, by its path from the root. Raises nothing: what goes wrong is a problem."""
    command = [str(compiler), "build", "--no-restore", "--stdout", str(root / path)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL)  # noqa: S603 - whoever runs the check names it
    except subprocess.TimeoutExpired:
        return Compiled(b"", (Problem(path, 0, 0, f"the compiler took more than {SECONDS} seconds"),))
    except OSError as error:
        return Compiled(b"", (Problem(path, 0, 0, f"the compiler {compiler} cannot be run: {error.strerror}"),))
    said = done.stderr.decode("utf-8", "replace")
    errors = [*_errors(said, path)]
    if done.returncode and errors:
        return Compiled(b"", tuple(errors), refused=True)
    if done.returncode or not done.stdout.strip():
        last = next((line for line in reversed(said.splitlines()) if line.strip()), "it says nothing")
        return Compiled(b"", (Problem(path, 0, 0, f"the compiler failed: {last[:_SHOWN]}"),))
    if len(done.stdout) > LARGEST:
        return Compiled(b"", (Problem(path, 0, 0, "the compiler's template is too large to be read"),))
    return Compiled(done.stdout)


def _errors(said: str, path: str) -> Iterator[Problem]:
    for line, column, code, message in _SAID.findall(said):
        yield Problem(path, int(line), int(column), f"the compiler: {code}: {message[:_SHOWN]}")


def disagreement(one: Difference) -> Problem:
    """Return what to say of a difference."""
    place = one.place if one.place != NOWHERE else Place("", 0, 0)
    at = one.at or "the exemption"
    return Problem(*place, f"{at}: the compiler has {_shown(one.theirs)}, and this program {_shown(one.ours)}")


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    return json.dumps(nulled(value), ensure_ascii=False, default=str)[:_SHOWN]
