"""What `loadTextContent` and the like give: contents of files of the repository, as the compiler reads them.

Nothing outside the repository's root is opened.
"""

import codecs
import json
from collections.abc import Callable
from fnmatch import fnmatchcase
from posixpath import dirname, relpath
from typing import Final

from guardrails.evaluation.expressions import Array, Call, Impossible, Literal, Member, Node, Object, Opaque
from guardrails.evaluation.functions.json_text import parse as parse_json
from guardrails.evaluation.values import EngineError, Place, Unknown, Value
from guardrails.files.bicep_library import Files, is_missing, path_fault
from guardrails.files.walk import Unreadable
from guardrails.lazy_regex import lazy_regex

LONGEST_TEXT: Final = 131_072
"""Characters of a file that loadTextContent() takes."""
LONGEST_DATA: Final = 1_048_576
"""Characters of a file that loadJsonContent() and loadYamlContent() take."""
LONGEST_BYTES: Final = 98_304
"""Bytes of a file that loadFileAsBase64() takes."""

_ENCODINGS: Final = {
    "utf-8": "utf-8", "us-ascii": "ascii", "iso-8859-1": "latin-1", "utf-16": "utf-16-le", "utf-16BE": "utf-16-be",
}  # fmt: skip
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_STEP: Final = lazy_regex(r"\.?([A-Za-z_][\w-]*)|\[(\d+)\]|\[(?:'([^'\\]*)'|\"([^\"\\]*)\")\]")
_WILD: Final = lazy_regex(r"(?P<before>[^*]*?)(?:\.\*|\[\*\])(?P<after>[^*]*)")
_PLAIN_NAME: Final = lazy_regex(r"[\w.,()+=@ -]+")

type Fault = Callable[[Place, str, str], Impossible]


class Loads:
    """Reads files for one Bicep file.

    Args:
        path: of the Bicep file.
        constant: gives the text that an expression is for the compiler; None where it is known only by a deployment.
        fault: notes what the compiler refuses.
    """

    def __init__(self, path: str, files: Files, constant: Callable[[Node], str | Unknown | None], fault: Fault) -> None:
        self._path, self._files, self._constant, self._fault = path, files, constant, fault
        self.loaded: list[str] = []
        """The paths of the files that were read."""

    def load(self, call: Call) -> Node:
        """Return the node of a call of a function that reads files."""
        least, most = (1, 1) if call.name == "loadFileAsBase64" else (1, 2)
        if call.name in {"loadJsonContent", "loadYamlContent"}:
            most = 3
        if not least <= len(call.arguments) <= most:
            return self._fault(call.place, f"{call.name}() does not have {len(call.arguments)} arguments", "BCP071")
        texts = [self._constant(argument) for argument in call.arguments]
        for text, argument in zip(texts, call.arguments, strict=True):
            if text is None:
                return self._fault(
                    argument.place, f"{call.name}() needs texts that are known at compile time", "BCP032"
                )
            if isinstance(text, Unknown):
                return Opaque(text)
        known = [str(text) for text in texts]
        if (refused := path_fault(known[0])) is not None:
            return self._fault(call.arguments[0].place, *refused)
        try:
            return self._of(call, known)
        except Unreadable as error:
            message = f"{known[0]}: {error}"
            if not is_missing(error):
                return _doubtful(message, call.place)
            return self._fault(call.place, message, "BCP275" if "is a directory" in str(error) else "BCP091")

    def _of(self, call: Call, texts: list[str]) -> Node:
        place = call.place
        if call.name == "loadDirectoryFileInfo":
            return self._folder(texts, place)
        path = self._files.joined(self._path, texts[0])
        data = self._files.read(path)
        self.loaded.append(path)
        if call.name == "loadFileAsBase64":
            import base64  # noqa: PLC0415 - few files load one so

            if len(data) > LONGEST_BYTES:
                return self._too_large(texts[0], place)
            return Literal(base64.b64encode(data).decode("ascii"), place)
        plain = call.name == "loadTextContent"
        encoding = texts[1] if plain and len(texts) == 2 else texts[2] if len(texts) == 3 else "utf-8"
        if encoding not in _ENCODINGS:
            return self._fault(place, f"there is no encoding {encoding}", "BCP070")
        text = _decoded(data, _ENCODINGS[encoding])
        if text is None:
            return _doubtful(f"{texts[0]} has bytes that are no {encoding}", place)
        if len(text) > (LONGEST_TEXT if plain else LONGEST_DATA):
            return self._too_large(texts[0], place)
        return Literal(text, place) if plain else self._data(call, texts, text)

    def _too_large(self, path: str, place: Place) -> Node:
        return self._fault(place, f"{path} is larger than the compiler loads", "BCP184")

    def _data(self, call: Call, texts: list[str], text: str) -> Node:
        """Return the node of what a JSON or YAML file holds."""
        place = call.place
        if call.name == "loadJsonContent":
            try:
                value = parse_json(text, call.name)
            except EngineError as error:
                if _is_cut_off(text):
                    said = f"{texts[0]} is cut off, and what Bicep reads of it is not known for certain"
                    return _doubtful(said, place)
                return self._fault(place, f"{texts[0]}: {error.message}", "BCP186")
        else:
            from guardrails.files import bicep_yaml  # noqa: PLC0415 - most files load no YAML

            try:
                value = bicep_yaml.read(text)
            except bicep_yaml.NoYaml as error:
                if error.refused:
                    return self._fault(place, f"{texts[0]}: {error}", "BCP340")
                return _doubtful(f"{texts[0]} is not read as YAML: {error}", place)
            if value is None:
                return self._fault(place, f"{texts[0]} holds no YAML", "BCP340")
        if len(texts) > 1:
            found = _selected(value, texts[1])
            if found is None:
                return self._fault(place, f"{texts[0]} has nothing at {texts[1]}", "BCP235")
            value = found[0]
        return node_of(value, place)

    def _folder(self, texts: list[str], place: Place) -> Node:
        folder = self._files.joined(self._path, texts[0])
        pattern = texts[1] if len(texts) > 1 else "*"
        names = self._files.listed("" if folder == "." else folder)
        if "/" in pattern or "[" in pattern or not all(map(_PLAIN_NAME.fullmatch, names)):
            return Opaque(Unknown(f"which files of {texts[0]} Bicep lists is not known for certain", place))
        base = dirname(self._path)
        rows: list[dict[str, Value]] = []
        for name in names:
            if fnmatchcase(name, pattern or "*"):
                ending = name.rpartition(".")[2] if "." in name else ""
                path = relpath(f"{folder}/{name}", base or ".")
                rows.append({"relativePath": path, "baseName": name, "extension": f".{ending}" if ending else ""})
        return node_of(sorted(rows, key=lambda row: str(row["relativePath"]).upper()), place)


def _doubtful(reason: str, place: Place) -> Opaque:
    """Return a value that is not known, and that the compiler may refuse."""
    return Opaque(Unknown(reason, place, doubt=True))


def _is_cut_off(text: str) -> bool:
    """Whether a text is JSON up to its end, where more is needed."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return bool(text.strip()) and error.pos >= len(text.rstrip())
    except (ValueError, RecursionError):
        return False
    return False


def _decoded(data: bytes, encoding: str) -> str | None:
    """Return the text of bytes: a byte order mark goes before the encoding. None where bytes are no text."""
    for mark, marked in _MARKS:
        if data.startswith(mark):
            data, encoding = data[len(mark) :], marked
            break
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _selected(value: Value, path: str) -> tuple[Value] | None:
    """Return what a JSONPath selects in a value, in a tuple; None where there is nothing."""
    rest = path.strip().removeprefix("$")
    if rest == ".":
        return None
    if (found := _WILD.fullmatch(rest)) is not None:
        return _all_selected(value, found["before"], found["after"])
    at = 0
    while at < len(rest):
        step = _STEP.match(rest, at)
        if step is None:
            return (Unknown(f"the path {path} is not computed here", doubt=True),)
        at = step.end()
        name, number, single, double = step.groups()
        if number is not None:
            if not isinstance(value, list) or int(number[:9]) >= len(value):
                return None
            value = value[int(number[:9])]
            continue
        key = name if name is not None else single if single is not None else double
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    return (value,)


def _all_selected(value: Value, before: str, after: str) -> tuple[Value] | None:
    """Return what a path with one `*` selects: a list, the value itself where it is one; None where there is none."""
    inside = _selected(value, before)
    if inside is None or isinstance(inside[0], Unknown):
        return inside
    parts = inside[0].values() if isinstance(inside[0], dict) else inside[0] if isinstance(inside[0], list) else []
    found = [one for part in parts if (one := _selected(part, after)) is not None]
    if any(isinstance(one[0], Unknown) for one in found):
        return found[0]
    return None if not found else found[0] if len(found) == 1 else ([one[0] for one in found],)


def node_of(value: Value, place: Place) -> Node:
    """Return the node that stands for a value."""
    if isinstance(value, dict):
        return Object([Member(key, node_of(part, place), place) for key, part in value.items()], place)
    if isinstance(value, list):
        return Array([node_of(part, place) for part in value], place)
    if isinstance(value, Unknown):
        return Opaque(Unknown(value.reason, place, doubt=value.doubt))
    if isinstance(value, float):
        return _decimal(value, place)
    return Literal(value, place)


def _decimal(value: float, place: Place) -> Node:
    """Return the node of a decimal: the compiler writes it as `json('...')`, so that 1.0 is 1."""
    if abs(value) >= 1e15 or (value and abs(value) < 1e-4):
        return Opaque(Unknown("how Bicep writes a decimal of this size is not known for certain", place))
    return Literal(int(value) if value.is_integer() else value, place)
