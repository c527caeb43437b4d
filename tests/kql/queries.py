"""Collects every query of the project as it is asked, and finds out whether one of them was not collected.

A stage of a query, such as `| where`, is looked for in all that is left of a file without the queries that were
collected from it: a query at a place where nobody looks is held to nothing.
"""

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.infra.bicep import ROOT, names, uncommented
from tests.kql.asked import INSIGHTS, Asked, asked

_OPERATORS: Final = (
    r"(?:where|filter|extend|project|summarize|mv-?expand|mv-?apply|make-series|make-graph|graph-\w+|join|lookup|union|"
    r"parse|evaluate|invoke|render|distinct|count|serialize|getschema|partition|scan|fork|facet|consume|assert-schema|"
    r"macro-expand|top-(?:nested|hitters)|sample-distinct|(?:order|sort|reduce) by|(?:take|limit|top|sample) \d|"
    r"(?:search|find) [^|]*[\"'*])(?!\w)"
)
_STAGE: Final = re.compile(r"\|(?:\s|\\n|//.*\n)*" + _OPERATORS)
_BEGINNING: Final = re.compile(r"\s*\w+\s*\|\s*")
_JOINED: Final = re.compile(r"\s*\|\s*")
_LATER: Final = re.compile(r"\s*" + _OPERATORS)
"""A stage that follows a pipe which code puts before it."""
_IN_CODE: Final = re.compile(r"\|\s*(?:[\"'{\\/]|" + _OPERATORS + ")")
"""A pipe that may be in a text of code: a stage follows, or an end of the text. Few files have one."""
_ROW: Final = re.compile(r"^ *\|.*\| *$", re.MULTILINE)
"""A row of a Markdown table."""
_FENCE: Final = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_CODE: Final = re.compile(r"`([^`\n]+)`")
_SHELL: Final = re.compile(r"""'([^']*)'|"((?:[^"\\]|\\.)*)\"""")
_BICEP: Final = re.compile(r"(?:(?<=^var )(\w+) = |\b(query): )?'((?:[^'\\]|\\.)*)'", re.MULTILINE)
_INSERTED: Final = re.compile(r"\$\{([^}]+)\}")

_SAMPLES: Final = {
    "{{insights}}": INSIGHTS.lower(),  # filled by the workbook's module
    "{TimeRange:grain}": "1h",  # by the workbook itself
    "INSIGHTS-ID": INSIGHTS,  # by who reads the page
}
_PARAMETERS: Final = {"insightsId": INSIGHTS}


@dataclass(frozen=True, slots=True)
class Query:
    """A query as it is asked. `place`: its file, and its number there."""

    place: str
    text: str


@dataclass(frozen=True, slots=True)
class Read:
    """The queries that a file spells out, and what else in it looks like a part of one."""

    queries: tuple[Query, ...] = ()
    left: tuple[str, ...] = ()


@cache
def collected() -> tuple[Query, ...]:
    """Return all queries of the project: those that files spell out, and those that the code was seen to ask."""
    spelt = [query for path in paths() if path.suffix != ".py" for query in _file(path).queries]
    return (*spelt, *(Query(place, text) for place, text in asked().queries.items()))


def missed() -> list[str]:
    """Return what looks like a part of a query anywhere in the project, and was not collected."""
    return [left for path in paths() for left in _file(path).left]


@cache
def _file(path: Path) -> Read:
    return read(path.relative_to(ROOT), path.read_text("utf-8", "replace"), asked())


def read(path: Path, text: str, made: Asked) -> Read:
    """Read a file. `made`: what the code was seen to ask."""
    if path.suffix == ".py":
        if not _IN_CODE.search(text):  # parsing takes longer
            return Read()
        return Read(left=tuple(f"{path}: {piece}" for piece in _unasked(str(ROOT / path), ast.parse(text), made)))
    found: list[str] = []
    reader = _READERS.get(path.suffix)
    left = reader(text, found) if reader else text
    for sample, value in _SAMPLES.items():
        found = [one.replace(sample, value) for one in found]
    return Read(
        tuple(Query(f"{path}, {number}", one) for number, one in enumerate(found, 1)),
        tuple(f"{path}: {left[at.start() : at.start() + 60]}" for at in _STAGE.finditer(left)),
    )


def paths() -> Iterator[Path]:
    """Yield all files of the project but for its tests, whose queries nobody is given, and what git ignores."""
    passed = [".git", "tests", *(line.strip("/") for line in (ROOT / ".gitignore").read_text("utf-8").splitlines())]

    def kept(names: list[str]) -> list[str]:
        return sorted(name for name in names if not any(fnmatch(name, one) for one in passed))

    for folder, folders, files in ROOT.walk():
        folders[:] = kept(folders)
        yield from (folder / name for name in kept(files) if (folder / name).is_file())


def _bicep(text: str, found: list[str]) -> str:
    """Collect the texts that are queries, with what they insert; a variable that only another one inserts is none."""
    text = uncommented(text)
    variables = {name: said.strip()[3:-1] for name, said in names(text, "var").items() if said.startswith("= '")}
    joins = any(_JOINED.fullmatch(one[3]) for one in _BICEP.finditer(text))
    numbers = {name: said[6:] for name, said in names(text, "param").items() if said.startswith("int = ")}

    def value(inserted: re.Match[str]) -> str:
        name, _, times = inserted[1].partition(" * ")
        if name in variables:
            return filled(variables[name])
        return str(int(numbers[name]) * int(times or 1)) if name in numbers else _PARAMETERS[name]

    def filled(said: str) -> str:
        return _INSERTED.sub(value, re.sub(r"\\(['\\])", r"\1", said))

    def take(literal: re.Match[str]) -> str:
        variable, query, said = literal.groups()
        if not (query or _STAGE.search(said) or (joins and _LATER.match(said))):
            return literal[0]
        if f"${{{variable}}}" not in text:
            found.append(filled(said))
        return ""

    return _BICEP.sub(take, text)


def _json(text: str, found: list[str]) -> str:
    def walk(node: Any, name: str = "") -> None:
        if isinstance(node, str) and (name == "query" or _STAGE.search(node)):
            found.append(node)
        for key, inner in node.items() if isinstance(node, dict) else ():
            walk(inner, key)
        for inner in node if isinstance(node, list) else ():
            walk(inner, name)

    walk(json.loads(text))
    return ""


def _markdown(text: str, found: list[str]) -> str:
    """Collect blocks of KQL, texts in other blocks, such as shell commands, and code in a line."""

    def take(code: re.Match[str]) -> str:
        said = next(group for group in reversed(code.groups()) if group is not None)
        if _STAGE.search(said):
            found.append(said)
            return ""
        return code[0]

    blocks: list[str] = []

    def block(fence: re.Match[str]) -> str:
        if fence[1] in ("kql", "kusto"):
            found.append(fence[2])
        else:
            blocks.append(_SHELL.sub(take, fence[2]))
        return ""

    outside = _CODE.sub(take, _FENCE.sub(block, text))
    return "\n".join((_ROW.sub("", outside), *blocks))


_READERS: Final[Mapping[str, Callable[[str, list[str]], str]]] = {".bicep": _bicep, ".json": _json, ".md": _markdown}


def _unasked(file: str, tree: ast.Module, made: Asked) -> Iterator[str]:
    """Yield the pieces of queries in code that are in no query that it made, or stand where nothing ran."""
    nodes = list(ast.walk(tree))
    constants = [node for node in nodes if isinstance(node, ast.Constant)]
    texts = [(node, node.value) for node in constants if isinstance(node.value, str)]
    joins = any(_JOINED.fullmatch(text) for _, text in texts)
    pieces = [
        (node, piece)
        for node, text in texts
        for piece in re.split(r"\{\w*\}", text)
        if _STAGE.search(piece) or _BEGINNING.fullmatch(piece) or (joins and _LATER.match(piece))
    ]
    if not pieces:
        return
    comments = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = {id(node) for function in functions for node in ast.walk(function)}
    for node, piece in pieces:
        if id(node) in comments:
            continue
        ran = any((file, line) in made.lines for line in range(node.lineno, (node.end_lineno or node.lineno) + 1))
        if not any(piece in query for query in made.queries.values()) or (id(node) in inside and not ran):
            yield piece
