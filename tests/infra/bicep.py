"""Reads just enough of our own Bicep files for the tests: code without comments, resources, parameters, outputs."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import reference

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
HOST = ("main", *(f"modules/{name}" for name in (
    "identity", "storage", "functions", "monitoring", "vault", "alerts", "workbook", "network", "hub", "topic",
)))  # fmt: skip
"""What the first command deploys, by file name without its ending."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One `resource` declaration: its type without version, whether it is made here, and its body."""

    symbol: str
    type: str
    made: bool
    body: str


def checked(*arguments: str) -> str:
    """Return what check-bicep beside the repository says. The test is skipped where that is not, or cannot run."""
    if not (checker := reference.REAL / "tools" / "check-bicep").is_file():
        pytest.skip("../shared/tools/check-bicep is absent")
    done = subprocess.run(  # noqa: S603 - our own files
        [sys.executable, str(checker), *arguments], check=False, capture_output=True, text=True
    )
    if done.returncode == 2:
        pytest.skip(f"the checker could not run: {done.stderr.strip()}")
    return done.stdout


def code(name: str) -> str:
    """Return a file of infra/ without its comments."""
    return uncommented((INFRA / f"{name}.bicep").read_text("utf-8"))


def uncommented(text: str) -> str:
    """Return Bicep without its comments. `//` within a text is none."""
    return "\n".join(re.sub(r"^((?:[^'/]|'[^']*'|/(?!/))*)//.*$", r"\1", line) for line in text.splitlines())


def block(text: str, at: int) -> str:
    """Return what is between the bracket at or behind `at` and the one that closes it, texts skipped."""
    opening = min(found for found in (text.find("{", at), text.find("[", at)) if found >= 0)
    depth, quoted = 0, False
    for place in range(opening, len(text)):
        character = text[place]
        if character == "'" and text[place - 1] != "\\":
            quoted = not quoted
        elif not quoted:
            depth += (character in "{[(") - (character in "}])")
            if depth == 0:
                return text[opening + 1 : place]
    raise ValueError(f"no end: {text[opening : opening + 40]}")


def resources(name: str) -> list[Resource]:
    """Return the resources that a file declares, in their order."""
    text = code(name)
    return [
        Resource(found[1], found[2], not found[3], block(text, found.end()))
        for found in re.finditer(r"^resource (\w+) '([\w./]+)@[\w-]+'( existing)? =", text, re.MULTILINE)
    ]


def value(text: str, key: str) -> str:
    """Return the expression behind `key:` on the first line that has it, at any depth. Raises KeyError."""
    found = re.search(rf"^ *{re.escape(key)}: (.+)$", text, re.MULTILINE)
    if not found:
        raise KeyError(key)
    return found[1].strip()


def keys(text: str) -> dict[str, str]:
    """Return name -> expression of the lines of an object's own level."""
    (indent,) = re.findall(r"\n( +)\S", text)[:1]
    return dict(re.findall(rf"^{indent}(\w+): (.+)$", text, re.MULTILINE))


def names(text: str, what: str) -> dict[str, str]:
    """Return name -> rest of the line of each `param`, `output` or `var`."""
    return dict(re.findall(rf"^{what} (\w+) (.+)$", text, re.MULTILINE))


def variable(text: str, name: str) -> str:
    """Return the inside of a variable that is an object or an array."""
    return block(text, text.index(f"var {name} ="))
