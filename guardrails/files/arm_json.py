"""Azure's JSON, as people save it: one object or many, and in what the tools wrap them. Pure.

Known wrappings: a bare object; an array (`az ... list`, `ConvertTo-Json`); ARM's list `{"value": []}`; Resource Graph's
`{"data": []}`, as rows of objects or as its table of columns and rows; and the examples of REST specifications,
whose bodies are at `responses.*.body`. What an object means is not looked at here: `Exemption.from_arm` knows.
"""

import json
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any, Final, NoReturn

from guardrails.dataclass import dataclass, field, replace
from guardrails.exemption.sources import RESOURCE_GRAPH, Source, arm, is_api_version
from guardrails.files import foreign, powershell

DEEPEST: Final = 100
"""Levels of nesting that are read; deeper is nobody's exemption, and costs the stack of all that walk it."""

_GRAPH: Final = "az graph query --graph-query QUERY --first 1000 --skip-token {}"
_NEXT: Final = {
    "nextlink": "az rest --method get --url {}",
    "skip_token": _GRAPH,
    "$skiptoken": _GRAPH,
    "skiptoken": "Search-AzGraph -Query QUERY -First 1000 -SkipToken {} | ConvertTo-Json -Depth 100",
}
"""The fields that lead to the next page of a list, as ARM, the CLI, Resource Graph and PowerShell call them, and what
prints that page."""
_LONGEST_LINK: Final = 3000
_AGAIN: Final = "Save Azure's answer again, unchanged"


@dataclass(frozen=True, slots=True)
class Item:
    """One JSON object, and its place: `$.value[3]`. `source`: who returned it, where its wrapping says so."""

    place: str
    body: Mapping[str, Any]
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and where: a JSON place, or line and column where there is no JSON yet; "" for the whole file.

    `remedy`: what to do next, where the message does not say it; one sentence without a full stop.
    """

    place: str
    message: str
    remedy: str = field(default="", kw_only=True)

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


@dataclass(frozen=True, slots=True)
class NoObject(Problem):
    """Some other JSON value, such as null or a name, where an object is wanted."""


@dataclass(frozen=True, slots=True)
class Continued(Problem):
    """A list that goes on, of which a page was read.

    `rest`: the name of the file that the next page is to be saved as, "" where nothing leads there: by it that page is
    known, for it does not say itself which one it is.
    """

    rest: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text holds.

    Attributes:
        items: the objects that could be read, in order.
        problems: what could not be read.
        notes: where a list goes on, though all that is here was read.
        cut_off: where PowerShell left a text in place of a whole object; "" where it did not.
    """

    items: tuple[Item, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[Continued, ...] = ()
    cut_off: str = ""


def read_bytes(data: bytes, name: str = "") -> Reading:
    """Read a file's bytes: UTF-8, UTF-16 or UTF-32, with a byte order mark (PowerShell redirects) or without.

    `name`: the file's; its ending may say what a text is that is no JSON.
    """
    encoding = json.detect_encoding(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        kind = encoding.upper().removesuffix("-SIG")
        return _nothing(f"byte {error.start + 1}", f"not {kind} text: {error.reason}")
    return read_text(text, name)


def read_text(text: str, name: str = "") -> Reading:
    """Read a text. Everything that is wrong is in the result; nothing is raised."""
    text = text.removeprefix("\ufeff")
    if not text.strip():
        return _nothing("", "it is empty")
    try:
        root = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        if known := foreign.of_text(text, name):
            return Reading(problems=(Problem("", known),))
        said = error.msg[:1].lower() + error.msg[1:]
        return _nothing(f"line {error.lineno}, column {error.colno}", f"not JSON: {said}")
    except ValueError as error:  # NaN, or a number of thousands of digits
        return _nothing("", f"not JSON: {error}")
    except RecursionError:
        return _nothing("", f"nested more than {DEEPEST} levels deep")
    found = list(_unwrapped(root, "$"))
    return Reading(
        tuple(part for part in found if isinstance(part, Item)),
        once([part for part in found if isinstance(part, Problem)]),
        tuple(_notes(root)),
        next((part for part in found if isinstance(part, str)), ""),
    )


def _nothing(place: str, message: str) -> Reading:
    return Reading(problems=(Problem(place, message, remedy=_AGAIN),))


def once(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return problems; where many objects are of a kind that is not read, the first of them, with their number."""
    first: dict[str, Problem] = {}
    counts: Counter[str] = Counter()
    for problem in problems:
        message = problem.message
        key = message if message.startswith(foreign.THIS_IS) else f"{problem.place}: {message}"
        first.setdefault(key, problem)
        counts[key] += 1
    more = {key: f" ({count - 1} more like it)" if (count := counts[key]) > 1 else "" for key in first}
    return tuple(replace(problem, message=problem.message + more[key]) for key, problem in first.items())


class _Repeated(dict[str, Any]):
    """A JSON object with the same key twice: which of the values counts is unknown."""

    key = ""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    repeated = _Repeated(found)
    repeated.key = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    return repeated


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _unwrapped(node: Any, place: str, source: Source | None = None) -> Iterator[Item | Problem | str]:
    """Yield the objects below the known wrappings, and the place of each of which PowerShell left only a text."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _unwrapped(item, f"{place}[{index}]", source)
    elif isinstance(node, str) and powershell.is_cut_off(node):
        yield place
    elif not isinstance(node, dict):
        yield NoObject(place, f"this must be a JSON object, not {_kind_of(node)}", remedy=_AGAIN)
    elif isinstance(node, _Repeated):
        yield Problem(place, f"the key '{node.key[:60]}' occurs twice; keep one")
    elif (nameless := _get(node, "id") is None) and (inner := _wrapped(node)) is not None:
        name, value = inner
        yield from _unwrapped(value, f"{place}.{name}", RESOURCE_GRAPH if name.lower().startswith("data") else source)
    elif nameless and isinstance(node.get("responses"), dict):
        yield from _responses(node["responses"], f"{place}.responses", _version_of(node.get("parameters")))
    elif nameless and isinstance(node.get("error"), dict):
        error = node["error"]
        said = f"{str(error.get('code'))[:60]}: {str(error.get('message'))[:200]}"
        answered = f"this is an error from Azure, not the requested data ({said})"
        yield Problem(place, answered, remedy="Fix the error, and run the command again")
    elif known := foreign.of_object(node):
        yield Problem(place, known)
    elif wrong := _wrong_inside(node, place):
        yield wrong
    else:
        yield Item(place, {key: powershell.read(value) for key, value in node.items()}, source)


def _wrapped(node: Mapping[str, Any]) -> tuple[str, Any] | None:
    """Return the name and the content of a list's wrapping; None where the object is no list."""
    for key, value in node.items():
        if key.lower() in ("value", "data"):
            if isinstance(value, list):
                return key, value
            if key.lower() == "data" and isinstance(value, dict) and isinstance(value.get("rows"), list):
                return f"{key}.rows", _rows(value)
    return None


def _rows(table: Mapping[str, Any]) -> list[Any]:
    """Return Resource Graph's table (REST reference, resultFormat `table`) as objects."""
    columns = table.get("columns")
    names = [column.get("name") for column in columns if isinstance(column, dict)] if isinstance(columns, list) else []
    return [dict(zip(names, row, strict=False)) if isinstance(row, list) else row for row in table["rows"]]


def _version_of(parameters: object) -> Source | None:
    """Return the source of a REST specification example: it names the api-version of the request."""
    version = parameters.get("api-version") if isinstance(parameters, dict) else None
    return arm(version) if isinstance(version, str) and is_api_version(version) else None


def _responses(responses: Mapping[str, Any], place: str, source: Source | None) -> Iterator[Item | Problem | str]:
    """Yield the bodies of a REST specification example."""
    bodies = {
        code: response["body"]
        for code, response in responses.items()
        if isinstance(response, dict) and "body" in response
    }
    if not bodies:
        yield Problem(place, "no response in this example has a body", remedy="Use an example of a list or a get")
    for code, body in bodies.items():
        yield from _unwrapped(body, f"{place}.{code}.body", source)


def _wrong_inside(root: Any, place: str) -> Problem | None:
    """Return the first key that occurs twice, or that it is nested too deep; None where all is well."""
    waiting = [(root, place, 0)]
    while waiting:
        node, at, depth = waiting.pop()
        if depth > DEEPEST:
            return Problem(place, f"nested more than {DEEPEST} levels deep", remedy=_AGAIN)
        if isinstance(node, _Repeated):
            return Problem(at, f"the key '{node.key[:60]}' occurs twice; keep one")
        if isinstance(node, dict):
            waiting += [(v, f"{at}.{k[:60]}", depth + 1) for k, v in node.items() if isinstance(v, dict | list)]
        elif isinstance(node, list):
            waiting += [(v, f"{at}[{n}]", depth + 1) for n, v in enumerate(node) if isinstance(v, dict | list)]
    return None


def _notes(root: Any) -> Iterator[Continued]:
    """Say where a list is only a page of a longer one: the whole text, or each of several pages in an array."""
    pages = [(f"$[{at}]", page) for at, page in enumerate(root)] if isinstance(root, list) else [("$", root)]
    for place, page in pages:
        if isinstance(page, dict) and _get(page, "id") is None:
            links = {name: link for name, link in page.items() if _field(name) in _NEXT and link}
            cut = {name: "" for name, cut in page.items() if name.lower() == "resulttruncated" and _is_true(cut)}
            for name, link in (links or cut).items():
                yield _continued(f"{place}.{name}", _field(name), link)


def _field(name: str) -> str:
    """Return the name of a field in lower case, without the `@` and `odata.` that OData puts before it."""
    return name.lower().removeprefix("@").removeprefix("odata.")


def _continued(place: str, name: str, link: object) -> Continued:
    """Return what to say of a page and the link to the next one, of which nothing is believed.

    A link is asked for by its path, so whoever wrote it does not choose the host that gets the token.
    """
    said = "the list has more pages; only this one was read"
    if name == "nextlink" and isinstance(link, str):
        link = _path_of(link)
    if not (isinstance(link, str) and link and link.isascii() and link.isprintable() and len(link) <= _LONGEST_LINK):
        return Continued(place, f"{said}, and the file does not lead to the next one: ask again for the whole list")
    rest = f"page-{sha256(link.encode()).hexdigest()[:12]}.json"
    command = _NEXT[name].format(shlex.quote(link))
    return Continued(place, f"{said}. Pass the next page too. Save it under this name: {command} > {rest}", rest)


def _path_of(url: str) -> str:
    """Return the path and the query of an address; "" where it has none."""
    from urllib.parse import urlsplit  # noqa: PLC0415 - only lists of several pages have one

    try:
        parts = urlsplit(url)
    except ValueError:  # a host in brackets that is no address
        return ""
    return f"{parts.path}?{parts.query}" if re.match(r"/[^/]", parts.path) else ""


def _is_true(value: object) -> bool:
    return str(value).lower() == "true"


def _get(node: Mapping[str, Any], name: str) -> Any:
    """Return a field whatever its casing; None where it is absent."""
    for key, value in node.items():
        if key.lower() == name:
            return value
    return None


def _kind_of(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    return "a text" if isinstance(value, str) else "a number"
