"""The files that a Bicep file is made of: modules, imports, loaded files. Each is read once.

Nothing is fetched: a module of a registry or template spec is Unknown. Nothing outside the repository is opened.
"""

import codecs
import json
from collections.abc import Callable, Iterable
from posixpath import dirname
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from guardrails.evaluation.expressions import Literal
from guardrails.evaluation.template import Diagnostic, Language, Level, Stage, Template, TypeOf
from guardrails.evaluation.values import Place
from guardrails.files.bicep_parser import Parser
from guardrails.files.bicep_syntax import Declaration, Func, Type, TypeOpaque, Var
from guardrails.files.walk import Unreadable
from guardrails.lazy_regex import lazy_regex

if TYPE_CHECKING:
    from guardrails.files.bicep_shapes import Shape

REMOTE: Final = ("br:", "br/", "ts:", "ts/", "oci:")
"""How a reference begins that leads to a registry or a template spec."""
DEEPEST: Final = 20
"""Modules within modules that are read."""

_DRIVE: Final = lazy_regex(r"[a-zA-Z]:")
_NAME: Final = lazy_regex(r"\s*[a-zA-Z]+[ \t]+([A-Za-z_][A-Za-z0-9_]*)")


class Files(Protocol):
    """The files of a repository, as `walk.Repository` gives them. All paths are relative to its root."""

    def joined(self, base: str, reference: str) -> str:
        """Return the path that a file at `base` means by a reference. Raises Unreadable."""
        ...

    def read(self, path: str) -> bytes:
        """Return the bytes of a file. Raises Unreadable."""
        ...

    def listed(self, path: str) -> list[str]:
        """Return the names of the plain files of a folder. Raises Unreadable."""
        ...


class Lowered(NamedTuple):
    """One Bicep file, read.

    Attributes:
        exported: the names that it exports, and for each its declaration.
        types: its types by name.
        shapes: what is known of the variables that it exports.
    """

    template: Template
    exported: dict[str, Declaration]
    types: dict[str, TypeOf]
    shapes: "dict[str, Shape]"


class Library:
    """Reads each Bicep file once, with what it is made of.

    Args:
        files: the repository.
        arm: reads an ARM template that is used as a module: path, bytes -> template.
    """

    def __init__(self, files: Files, arm: Callable[[str, bytes], Template]) -> None:
        self.files, self._arm = files, arm
        self._lowered: dict[str, Lowered] = {}
        self._templates: dict[str, Template] = {}
        self._lines: dict[str, list[str]] = {}
        self._open: list[str] = []
        self._experimental: dict[str, bool] = {}

    def template(self, path: str, user: str = "") -> Template | str:
        """Return the template of a file, Bicep or ARM; a text where it cannot be a module: what is wrong.

        `user`: the file that uses it as a module; "" for none. Raises Unreadable.
        """
        if not path.endswith((".json", ".jsonc")):
            if path in self._open:
                return "a file is its own module" if path == user else "files are modules of each other"
            if len(self._open) >= DEEPEST:
                raise Unreadable(f"more than {DEEPEST} modules within modules are not read")
            found = self.lowered(path, user)
            return found.template if found is not None else "files are modules of each other"
        if path not in self._templates:
            self._templates[path] = self._arm(path, self.files.read(path))
        return self._templates[path]

    def lowered(self, path: str, user: str = "") -> Lowered | None:
        """Return a Bicep file, read; None for one that is being read, or is none. Raises Unreadable."""
        if path in self._lowered:
            return self._lowered[path]
        if path in self._open or path == user:
            return None
        if path.endswith((".json", ".jsonc")):
            self._lowered[path] = self._compiled(path)
            return self._lowered[path]
        return self.read(path, self.files.read(path))

    def _compiled(self, path: str) -> Lowered:
        """Return an ARM template that was made of a Bicep file, with what that exports."""
        data = self.files.read(path)
        template = self.template(path)
        assert isinstance(template, Template)  # noqa: S101 - an ARM template has no modules that lead back here
        try:
            root = json.loads(data.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            root = {}
        return Lowered(template, _exports(root if isinstance(root, dict) else {}, template), {}, {})

    def read(self, path: str, data: bytes) -> Lowered:
        """Read a Bicep file of these bytes, unless it was read before."""
        if path in self._lowered:
            return self._lowered[path]
        from guardrails.files.bicep_lower import Lowering  # noqa: PLC0415 - it needs the library in turn

        text = text_of(data)
        if text is None:
            place = Place(path, 1, 1)
            wrong = Diagnostic(place, "the file is neither UTF-8 nor UTF-16", "encoding", Level.ERROR, Stage.READ)
            unread = Template(Language.BICEP, path, None, diagnostics=[wrong], incomplete="the file could not be read")
            self._lowered[path] = Lowered(unread, {}, {}, {})
            return self._lowered[path]
        self._open.append(path)
        try:
            parser = Parser(text, path)
            parser.records = True
            file = parser.file()
            if file.broken:
                self._lines[path] = text.splitlines()
            lowered = Lowering(file, self).lowered()
        finally:
            self._open.pop()
        lowered.template.diagnostics[:0] = parser.faults
        self._lowered[path] = lowered
        return lowered

    def name_at(self, path: str, line: int) -> str:
        """Return the name in the broken declaration that begins at a line; "" where none is found."""
        lines = self._lines.get(path, [])
        found = _NAME.match(lines[line - 1]) if 0 < line <= len(lines) else None
        return found[1] if found else ""

    def experimental(self, path: str) -> bool:
        """Whether a bicepconfig.json for a file switches experimental features on. The nearest one counts."""
        folder = dirname(path)
        if folder not in self._experimental:
            self._experimental[folder] = self._configured(folder)
        return self._experimental[folder]

    def _configured(self, folder: str) -> bool:
        while True:
            try:
                data = self.files.read(f"{folder}/bicepconfig.json".lstrip("/"))
            except Unreadable:
                if not folder:
                    return False
                folder = dirname(folder)
                continue
            try:
                found = json.loads(data.decode("utf-8-sig"))
            except (ValueError, RecursionError):
                return True
            return bool(isinstance(found, dict) and found.get("experimentalFeaturesEnabled"))


def is_missing(error: Unreadable) -> bool:
    """Whether a file cannot be read because it is not there, so that no compiler reads it either."""
    return "no such file" in str(error) or "not a directory" in str(error) or "is a directory" in str(error)


def path_fault(path: str) -> tuple[str, str] | None:
    """Return why the compiler takes a text for no path of a file, and its code; None where it does."""
    if not path:
        return "a path is not empty", "BCP050"
    if path[0] == "/" or _DRIVE.match(path):
        return f"{path!r} is no relative path", "BCP051"
    for character in path:
        if character == "\\":
            return f"{path!r} is no path with forward slashes", "BCP098"
        if character in '"*:<>?|':
            return f"a path has no {character} in it", "BCP085"
        if character < " ":
            return "a path has no control characters in it", "BCP111"
    return (f"a path does not end with {path[-1]!r}", "BCP086") if path[-1] in " ." else None


def _exports(root: dict[str, Any], template: Template) -> dict[str, Declaration]:
    """Return what a compiled template says that its Bicep file exports."""
    place = Place(template.path, 1, 1)
    found: dict[str, Declaration] = {}
    for name, one in _each(root.get("definitions")):
        if _is_exported(one):
            found[name] = Type(name, [], place, TypeOpaque(place))
    for namespace in root["functions"] if isinstance(root.get("functions"), list) else []:
        for name, one in _each(namespace.get("members") if isinstance(namespace, dict) else None):
            if _is_exported(one):
                found[name] = Func(name, [], place, [], output=TypeOpaque(place))
    metadata = root.get("metadata")
    variables = metadata.get("__bicep_exported_variables!") if isinstance(metadata, dict) else None
    for one in variables if isinstance(variables, list) else []:
        variable = one.get("name") if isinstance(one, dict) else None
        if isinstance(variable, str):
            found[variable] = Var(variable, [], place, None, Literal(None, place))
    return found


def _each(node: Any) -> Iterable[tuple[str, Any]]:
    return node.items() if isinstance(node, dict) else ()


def _is_exported(node: Any) -> bool:
    metadata = node.get("metadata") if isinstance(node, dict) else None
    return isinstance(metadata, dict) and metadata.get("__bicep_export!") is True


def text_of(data: bytes) -> str | None:
    """Return a file's text without its byte order mark; None where it is neither UTF-8 nor marked as UTF-16."""
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if data.startswith(mark):
            return _decoded(data[2:], encoding)
    return _decoded(data, "utf-8-sig")


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None
