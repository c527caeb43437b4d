"""Walk: which files below some paths hold templates, and what each is. The only reader of files for `check`.

Strangers write what is in a repository, links too: nothing outside its root is opened, and nothing but plain files of
at most LARGEST bytes. What is wrong with a file is one Trouble with its place; the others are still read.
"""

import os
import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, NamedTuple

from guardrails.files.tree import DISK, LARGEST, SPACE, Entry, Tree, Unreadable, plain_bytes
from guardrails.lazy_regex import lazy_regex

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

__all__ = [
    "DEEPEST", "EPAC_ENDINGS", "EPAC_FOLDER", "LARGEST", "Found", "Kind", "Repository", "Trouble", "Unreadable",
    "holds_epac", "kind_of", "root_of",
]  # fmt: skip

DEEPEST: Final = 100
"""Folders inside one another that are entered."""

_HEAD: Final = 64
_BICEP: Final = frozenset({".bicep", ".bicepparam"})
_NAMED: Final = frozenset({".json", ".jsonc", *_BICEP})
"""Endings of the files that may hold templates: what keeps one of these from being read is said."""
_BINARY: Final = frozenset({
    ".png", ".jpg", ".jpeg", ".gif", ".ico", ".svg", ".pdf", ".zip", ".gz", ".tar", ".tgz", ".7z", ".jar", ".exe",
    ".dll", ".so", ".dylib", ".bin", ".woff", ".woff2", ".ttf", ".pyc", ".class", ".o", ".a", ".mp4", ".mov", ".whl",
    ".nupkg", ".parquet", ".lock", ".map", ".js", ".ts", ".py", ".cs", ".css", ".html", ".md", ".txt", ".yml", ".yaml",
    ".xml", ".csv", ".sh", ".ps1", ".tf", ".tfvars", ".tfstate", ".go", ".java", ".rs", ".c", ".h", ".cpp", ".sql",
})  # fmt: skip
"""Endings of files that are not looked into, unless somebody names one."""


class Kind(StrEnum):
    """What a file is."""

    AZPOLICYFACTORY = "azpolicyfactory"
    """One exemption of AzPolicyFactory."""
    BICEP = "bicep"
    BICEP_PARAMETERS = "bicepparam"
    ARM = "arm"
    ARM_PARAMETERS = "arm-parameters"
    EPAC = "epac"
    """Exemptions of Enterprise Azure Policy as Code (EPAC)."""
    SAVED = "saved"
    """No code: exemptions that were saved from Azure."""


class Trouble(NamedTuple):
    """What is wrong with a file or folder: its path from the root, line and column from 1 (0: the whole), and what."""

    path: str
    line: int
    column: int
    message: str


class Found(NamedTuple):
    """A file that may hold a template: its path from the root, what it is by its name and content, and its bytes.

    `named`: whether a caller named it, rather than a folder above it.
    """

    path: str
    kind: Kind
    data: bytes
    named: bool


def root_of(paths: Sequence[Path], here: Path) -> Path:
    """Return the root for some absolute paths: of their git repository, else `here` if all are in it, else above all.

    `here`: the current folder.
    """
    shared = Path(os.path.commonpath([str(path) for path in paths]))
    folder = shared if shared.is_dir() else shared.parent
    for above in (folder, *folder.parents):
        if (above / ".git").exists():
            return above
    return here if folder.is_relative_to(here) else folder


class Repository:
    """The files below a root. Paths are relative to it, with forward slashes.

    Args:
        root: the absolute path of an existing folder; a link may lead to it.
        tree: where the files are.

    Attributes:
        epac: absolute folders whose files are EPAC's, besides those below a folder called policyExemptions.
        epac_seen: the walk came by a folder of that name, or began in one.
        factory: folders of environments of AzPolicyFactory, from the root: EPAC does not read them.
        left_out: paths of files and folders that the walk came by and did not read, because of .gitignore.
    """

    def __init__(self, root: Path, tree: Tree = DISK) -> None:
        self.root = root
        self._tree = tree
        self._prefix = str(root).rstrip("/") + "/"
        self._inside = tree.real(str(root)).rstrip("/") + "/"
        self._ignored: dict[str, GitIgnoreSpec | None] = {}
        self._asked = str(root)
        self._real: dict[str, bool] = {}
        self.epac: tuple[str, ...] = ()
        self.epac_seen = False
        self.factory: frozenset[str] = frozenset()
        self.left_out: set[str] = set()

    def relative(self, path: Path | str) -> str:
        """Return the path of an absolute path from the root; itself where it is elsewhere."""
        text = os.path.normpath(path)
        return text.removeprefix(self._prefix).replace(os.sep, "/") if text != str(self.root) else ""

    def joined(self, base: str, reference: str) -> str:
        """Return the path that a file at `base` means by a relative reference. Raises Unreadable.

        It may not lead out of the root, nor be absolute.
        """
        if "\0" in reference or reference.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", reference):
            raise Unreadable("the path is absolute; only files of the repository are read")
        joined = os.path.normpath(str(PurePosixPath(base).parent / reference.replace("\\", "/")))
        if joined == ".." or joined.startswith(("../", "/")):
            raise Unreadable("it is outside of the repository, so it is not read")
        return joined

    def has(self, path: str) -> bool:
        """Whether there is a file, folder or link with a path from the root."""
        return self._tree.exists(self._prefix + path)

    def is_folder(self, path: Path) -> bool:
        """Whether an absolute path is a folder, or leads to one."""
        return self._tree.is_folder(str(path))

    def read(self, path: str, *, most: int | None = None) -> bytes:
        """Return the bytes of a file, by its path from the root: at most so many. Raises Unreadable."""
        full = self._prefix + path
        if "\0" in path or os.path.normpath(full) != full.rstrip("/"):
            raise Unreadable("it is outside of the repository, so it is not read")
        try:
            self._check_inside(full)
            return self._tree.read(full, most=most)
        except OSError as error:
            raise Unreadable(f"cannot be read: {_why(error)}") from None

    def listed(self, path: str) -> list[str]:
        """Return the names of the plain files of a folder, as the file system lists them. Raises Unreadable."""
        full = self._prefix + path
        try:
            self._check_inside(full)
            return [entry.name for entry in self._tree.entries(full) if entry.is_file(follow_symlinks=False)]
        except OSError as error:
            raise Unreadable(f"cannot be read: {_why(error)}") from None

    def folders(self, path: str) -> list[str]:
        """Return the paths of a folder's own folders that are neither links nor hidden. Raises Unreadable."""
        full = self._prefix + path
        try:
            self._check_inside(full)
            names = [one.name for one in self._tree.entries(full) if one.is_dir(follow_symlinks=False)]
        except OSError as error:
            raise Unreadable(f"cannot be read: {_why(error)}") from None
        return sorted(f"{path}/{name}".lstrip("/") for name in names if not name.startswith("."))

    def below(self, full: str) -> Iterator[tuple[str, list[str], list[str]]]:
        """Yield an absolute path, the names of its folders and of its other files; then the same of each folder.

        As os.walk does: links to folders are not followed, what cannot be listed is left out, and a caller may take
        names out of the list of folders.
        """
        try:
            entries = [(one.name, _is_folder(one), _is_own(one)) for one in self._tree.entries(full)]
        except (OSError, Unreadable):
            return
        folders = [name for name, is_folder, _ in entries if is_folder]
        own = {name for name, _, is_own in entries if is_own}
        yield full, folders, [name for name, is_folder, _ in entries if not is_folder]
        for name in folders:
            if name in own:
                yield from self.below(f"{full.rstrip('/')}/{name}")

    def json_below(self, folder: str) -> Iterator[tuple[str, bytes | Unreadable]]:
        """Yield the JSON files at and below a folder: the path of each from the root, its bytes or why there are none.

        Links to folders are not followed; what .gitignore leaves out is left out.
        """
        top = (self._prefix + folder).rstrip("/")
        for here, folders, names in self.below(top):
            ignores = self._ignores(here)
            deep = here.count("/") - top.count("/") >= DEEPEST
            folders[:] = sorted(one for one in folders if one != ".git" and not ignores(f"{here}/{one}", True))  # noqa: FBT003
            folders[:] = [] if deep else folders
            for name in sorted(names):
                if name.lower().endswith(".json") and not ignores(f"{here}/{name}", False):  # noqa: FBT003
                    path = self.relative(Path(here) / name)
                    try:
                        yield path, self.read(path)
                    except Unreadable as error:
                        yield path, error

    def walk(self, paths: Sequence[Path]) -> Iterator[Found | Trouble]:
        """Yield the files at and below some absolute paths, each once, in the order of their names."""
        seen: set[str] = set()
        folders: set[Hashable] = set()
        for path in paths:
            full = os.path.normpath(path)
            if not self._tree.exists(full):
                yield Trouble(self.relative(path), 0, 0, ABSENT)
            elif self.is_folder(path):
                above, _, _ = full.rpartition("/")
                self._asked = full if self._ignores(above)(full, True) else str(self.root)  # noqa: FBT003 - as scandir
                yield from self._folder(full, seen, folders, ())
                self._asked = str(self.root)
            elif full not in seen:
                seen.add(full)
                yield from self._file(full, named=True)

    def _folder(
        self, full: str, seen: set[str], folders: set[Hashable], above: tuple[Hashable, ...]
    ) -> Iterator[Found | Trouble]:
        place = self.relative(full)
        self.epac_seen = self.epac_seen or EPAC_FOLDER in full
        try:
            self._check_inside(full)
            inode = self._tree.same(full)
            if inode in above:
                yield Trouble(place, 0, 0, "it is a link to a folder above it; it is not entered again")
                return
            if inode in folders:
                return
            folders.add(inode)
            entries = sorted(self._tree.entries(full), key=lambda entry: entry.name)
        except (OSError, Unreadable) as error:
            yield Trouble(place, 0, 0, _said(error, "the folder cannot be read"))
            return
        if len(above) >= DEEPEST:
            yield Trouble(place, 0, 0, f"more than {DEEPEST} folders deep; what is in it is not read")
            return
        ignores = self._ignores(full)
        for entry in entries:
            path = full + "/" + entry.name
            is_folder = _is_folder(entry)
            if entry.name == ".git":
                continue
            if ignores(path, is_folder):
                self.left_out.add(self.relative(path))
                continue
            if is_folder:
                yield from self._folder(path, seen, folders, (*above, inode))
            elif path not in seen:
                seen.add(path)
                yield from self._file(path, named=False)

    def _file(self, full: str, *, named: bool) -> Iterator[Found | Trouble]:
        """Yield what a file is; nothing for one that holds no template."""
        ending = os.path.splitext(full)[1].lower()  # noqa: PTH122 - a Path for each file costs as much as reading
        epac = ending in EPAC_ENDINGS and self._is_epac(full)
        if not named and ending in _BINARY and not epac:
            return
        wanted = named or epac or ending in _NAMED
        try:
            self._check_inside(full)
            data = self._tree.read(full, 0 if wanted else _HEAD)
        except (OSError, Unreadable) as error:
            if wanted:
                yield Trouble(self.relative(full), 0, 0, _said(error, "cannot be read"))
            return
        path = self.relative(full)
        kind = kind_of(ending, data)
        if kind is None and ending in EPAC_ENDINGS and (epac or holds_epac(ending, data)):
            kind = Kind.EPAC
        if kind is None and named:
            yield Trouble(path, 0, 0, _no_template(data, path))
        elif kind is None and ending in _NAMED and _holds_saved(data):
            yield Found(path, Kind.SAVED, b"", named)
        elif kind is not None:
            yield Found(path, kind, b"" if kind is Kind.EPAC else data, named)

    def _is_epac(self, full: str) -> bool:
        """Whether EPAC may read a file, by the folder that it is in."""
        return f"{EPAC_FOLDER}/" in full or any(full.startswith(f"{folder}/") for folder in self.epac)

    def _check_inside(self, full: str) -> None:
        """Raise Unreadable where a path leads out of the root by a link; OSError where a link leads nowhere."""
        if full == str(self.root):
            return
        folder, _, _ = full.rpartition("/")
        inside = self._real.get(folder)
        if inside is None:
            inside = self._real[folder] = self._is_inside(folder)
        if not inside or (self._tree.is_link(full) and not self._is_inside(full)):
            raise Unreadable("it is a link that leads out of the repository, so it is not read")

    def _is_inside(self, full: str) -> bool:
        return (self._tree.real(full) + "/").startswith(self._inside)

    def _ignores(self, folder: str) -> Callable[[str, bool], bool]:
        """Return what says whether .gitignore files leave out a path: those of its folder, and above to the root."""
        specs = [(above, spec) for above in self._up(folder) if (spec := self._spec(above)) is not None]
        if not specs:
            return lambda _path, _is_folder: False

        def ignored(path: str, is_folder: bool) -> bool:  # noqa: FBT001 - the answer of scandir, handed on
            for above, spec in specs:  # the nearest first: what it says goes
                said = spec.check_file(path[len(above) + 1 :] + ("/" if is_folder else "")).include
                if said is not None:
                    return said
            return False

        return ignored

    def _up(self, folder: str) -> Iterator[str]:
        """Yield a folder and those above it whose .gitignore counts, the nearest first.

        Where somebody asks for a folder that is ignored itself, they want what is in it: nothing above it counts.
        """
        while folder.startswith(self._prefix) and folder != self._asked:
            yield folder
            folder = folder.rpartition("/")[0]
        if folder in (str(self.root), self._asked):
            yield folder

    def _spec(self, folder: str) -> "GitIgnoreSpec | None":
        if folder not in self._ignored:
            self._ignored[folder] = None
            path = folder + "/.gitignore"
            if self._tree.is_file(path) and not self._tree.is_link(path):
                from pathspec import GitIgnoreSpec  # noqa: PLC0415 - where no file is there, nobody pays for it

                try:
                    lines = self._tree.read(path).decode("utf-8", "replace").splitlines()
                    self._ignored[folder] = GitIgnoreSpec.from_lines(lines)
                except (OSError, Unreadable, ValueError):
                    self._ignored[folder] = None
        return self._ignored[folder]


ABSENT: Final = "there is no such file or folder"
"""What is said of a path that is not there."""
EPAC_FOLDER: Final = "/policyExemptions"
"""The folder in which each environment of EPAC has a folder of exemptions."""
EPAC_ENDINGS: Final = frozenset({".json", ".jsonc", ".csv"})
"""Endings of the files that EPAC reads exemptions of."""


def holds_epac(ending: str, data: bytes) -> bool:
    """Whether a file that is no template holds exemptions of EPAC, by its content."""
    text = plain_bytes(data[:200_000]).lower()
    if ending == ".csv":
        header = text.partition(b"\n")[0]
        return b"exemptioncategory" in header and b"scope" in header
    return b'"exemptions"' in text and b'"exemptioncategory"' in text and b'"properties"' not in text


_TEMPLATE: Final = b"deploymenttemplate.json"
_PARAMETERS: Final = b"deploymentparameters.json"
_VERSION: Final = b'"contentversion"'
_FACTORY: Final = lazy_regex(rb"""["']policyexemption["']\s*:|policyexemption\.schema\.json["']""")
_IS_SCHEMA: Final = b"//json-schema.org/"
_BICEP_START: Final = rb"[ \t]*(?:targetScope\s*=|using\s+(?:'|none\b)|(?:resource|module)\s+\w+\s+'|param\s+\w+[\s=])"
_BICEP_LINE: Final = lazy_regex(_BICEP_START)
_NEXT_BICEP_LINE: Final = lazy_regex(rb"\n" + _BICEP_START)
"""The same behind a line end, for which a text is searched more quickly than for the begin of a line."""


def kind_of(ending: str, data: bytes) -> Kind | None:
    """Return what a file is, by the ending of its name (lower case) and its bytes; None for what is no template.

    A JSON text that only looks like a template is refused by its reader.
    """
    if ending == ".bicep":
        return Kind.BICEP
    if ending == ".bicepparam":
        return Kind.BICEP_PARAMETERS
    text = plain_bytes(data)
    if not text.lstrip(SPACE)[:2].startswith((b"{", b"/")):
        return _bicep(text) if ending not in _NAMED else None
    lower = text.lower()
    template = lower.find(_TEMPLATE)  # finding bytes is quicker by far than searching for an expression
    if lower.find(_PARAMETERS, 0, None if template < 0 else template) >= 0:
        return Kind.ARM_PARAMETERS
    if template >= 0:
        return Kind.ARM
    if _VERSION in lower:
        return Kind.ARM if b'"resources"' in lower else Kind.ARM_PARAMETERS if b'"parameters"' in lower else None
    if b"policyexemption" in lower and _FACTORY.search(lower) and _IS_SCHEMA not in lower:
        return Kind.AZPOLICYFACTORY
    return _bicep(text) if text.startswith(b"/") else None


def _bicep(text: bytes) -> Kind | None:
    found = _BICEP_LINE.match(text, 0, 100_000) or _NEXT_BICEP_LINE.search(text, 0, 100_000)
    if not found:
        return None
    return Kind.BICEP_PARAMETERS if found[0].lstrip().startswith(b"using") else Kind.BICEP


def _holds_saved(data: bytes) -> bool:
    if b"olicy" not in plain_bytes(data):  # as in most files
        return False
    from guardrails.files.saved import holds_exemptions  # noqa: PLC0415 - most folders have none

    return holds_exemptions(data)


def _no_template(data: bytes, path: str) -> str:
    from guardrails.files.saved import command_for  # noqa: PLC0415 - for what is no code only

    return command_for(data, path) or "this is neither an ARM template or its parameters, nor Bicep"


def _is_folder(entry: Entry) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_own(entry: Entry) -> bool:
    """Whether it is a folder by itself, and no link to one."""
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _said(error: Exception, what: str) -> str:
    return str(error) if isinstance(error, Unreadable) else f"{what}: {_why(error)}"


def _why(error: Exception) -> str:
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
