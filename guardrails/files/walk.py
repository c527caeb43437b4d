"""Walk: which files below some paths hold templates, and what each is. The only reader of files for `check`.

Strangers write what is in a repository, links too: nothing outside its root is opened, and nothing but plain files of
at most LARGEST bytes. What is wrong with a file is one Trouble with its place; the others are still read.
"""

import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, NamedTuple

from guardrails.lazy_regex import lazy_regex

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

LARGEST: Final = 32 * 1024 * 1024
"""Bytes of one file that are read."""
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


class Unreadable(Exception):
    """A file cannot be read; the text says why, for people."""


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

    Attributes:
        epac: absolute folders whose files are EPAC's, besides those below a folder called policyExemptions.
        epac_seen: the walk came by a folder of that name, or began in one.
        factory: folders of environments of AzPolicyFactory, from the root: EPAC does not read them.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._prefix = str(root).rstrip("/") + "/"
        self._inside = os.path.realpath(root).rstrip("/") + "/"
        self._ignored: dict[str, GitIgnoreSpec | None] = {}
        self._asked = str(root)
        self._real: dict[str, bool] = {}
        self.epac: tuple[str, ...] = ()
        self.epac_seen = False
        self.factory: frozenset[str] = frozenset()

    def relative(self, path: Path) -> str:
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

    def read(self, path: str, *, most: int | None = None) -> bytes:
        """Return the bytes of a file, by its path from the root: at most so many. Raises Unreadable."""
        full = self._prefix + path
        if "\0" in path or os.path.normpath(full) != full.rstrip("/"):
            raise Unreadable("it is outside of the repository, so it is not read")
        try:
            self._check_inside(full)
            return _read(full, most=most)
        except OSError as error:
            raise Unreadable(f"cannot be read: {_why(error)}") from None

    def listed(self, path: str) -> list[str]:
        """Return the names of the plain files of a folder, as the file system lists them. Raises Unreadable."""
        full = self._prefix + path
        try:
            self._check_inside(full)
            with os.scandir(full) as entries:
                return [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
        except OSError as error:
            raise Unreadable(f"cannot be read: {_why(error)}") from None

    def folders(self, path: str) -> list[str]:
        """Return the paths of a folder's own folders that are neither links nor hidden. Raises Unreadable."""
        full = self._prefix + path
        try:
            self._check_inside(full)
            with os.scandir(full) as entries:
                names = [one.name for one in entries if one.is_dir(follow_symlinks=False)]
        except OSError as error:
            raise Unreadable(f"cannot be read: {_why(error)}") from None
        return sorted(f"{path}/{name}".lstrip("/") for name in names if not name.startswith("."))

    def json_below(self, folder: str) -> Iterator[tuple[str, bytes | Unreadable]]:
        """Yield the JSON files at and below a folder: the path of each from the root, its bytes or why there are none.

        Links to folders are not followed; what .gitignore leaves out is left out.
        """
        top = (self._prefix + folder).rstrip("/")
        for here, folders, names in os.walk(top):
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
        folders: set[tuple[int, int]] = set()
        for path in paths:
            full = os.path.normpath(path)
            if not os.path.lexists(full):
                yield Trouble(self.relative(path), 0, 0, "there is no such file or folder")
            elif path.is_dir():
                above, _, _ = full.rpartition("/")
                self._asked = full if self._ignores(above)(full, True) else str(self.root)  # noqa: FBT003 - as scandir
                yield from self._folder(full, seen, folders, ())
                self._asked = str(self.root)
            elif full not in seen:
                seen.add(full)
                yield from self._file(full, named=True)

    def _folder(
        self, full: str, seen: set[str], folders: set[tuple[int, int]], above: tuple[tuple[int, int], ...]
    ) -> Iterator[Found | Trouble]:
        place = self.relative(Path(full))
        self.epac_seen = self.epac_seen or EPAC_FOLDER in full
        try:
            self._check_inside(full)
            status = os.stat(full)  # noqa: PTH116 - paths are texts here: a Path for each file costs as much as reading
            inode = status.st_dev, status.st_ino
            if inode in above:
                yield Trouble(place, 0, 0, "it is a link to a folder above it; it is not entered again")
                return
            if inode in folders:
                return
            folders.add(inode)
            with os.scandir(full) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
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
            if entry.name == ".git" or ignores(path, is_folder):
                continue
            if is_folder:
                yield from self._folder(path, seen, folders, (*above, inode))
            elif path not in seen:
                seen.add(path)
                yield from self._file(path, named=False)

    def _file(self, full: str, *, named: bool) -> Iterator[Found | Trouble]:
        """Yield what a file is; nothing for one that holds no template."""
        ending = os.path.splitext(full)[1].lower()  # noqa: PTH122 - see _folder
        epac = ending in EPAC_ENDINGS and self._is_epac(full)
        if not named and ending in _BINARY and not epac:
            return
        wanted = named or epac or ending in _NAMED
        try:
            self._check_inside(full)
            data = _read(full, head=0 if wanted else _HEAD)
        except (OSError, Unreadable) as error:
            if wanted:
                yield Trouble(self.relative(Path(full)), 0, 0, _said(error, "cannot be read"))
            return
        path = self.relative(Path(full))
        kind = kind_of(ending, data)
        if kind is None and ending in EPAC_ENDINGS and (epac or holds_epac(ending, data)):
            kind = Kind.EPAC
        if kind is None and named:
            yield Trouble(path, 0, 0, _no_template(data))
        elif kind is not None:
            yield Found(path, kind, data, named)

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
        if not inside or (os.path.islink(full) and not self._is_inside(full)):  # noqa: PTH114 - see _folder
            raise Unreadable("it is a link that leads out of the repository, so it is not read")

    def _is_inside(self, full: str) -> bool:
        return (os.path.realpath(full) + "/").startswith(self._inside)

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
            if os.path.isfile(path) and not os.path.islink(path):  # noqa: PTH113, PTH114 - see _folder
                from pathspec import GitIgnoreSpec  # noqa: PLC0415 - where no file is there, nobody pays for it

                try:
                    lines = _read(path).decode("utf-8", "replace").splitlines()
                    self._ignored[folder] = GitIgnoreSpec.from_lines(lines)
                except (OSError, Unreadable, ValueError):
                    self._ignored[folder] = None
        return self._ignored[folder]


EPAC_FOLDER: Final = "/policyExemptions"
"""The folder in which each environment of EPAC has a folder of exemptions."""
EPAC_ENDINGS: Final = frozenset({".json", ".jsonc", ".csv"})
"""Endings of the files that EPAC reads exemptions of."""


def holds_epac(ending: str, data: bytes) -> bool:
    """Whether a file that is no template holds exemptions of EPAC, by its content."""
    text = _plain(data[:200_000]).lower()
    if ending == ".csv":
        header = text.partition(b"\n")[0]
        return b"exemptioncategory" in header and b"scope" in header
    return b'"exemptions"' in text and b'"exemptioncategory"' in text and b'"properties"' not in text


_SCHEMA: Final = lazy_regex(rb"deployment(Template|Parameters)\.json", re.IGNORECASE)
_VERSION: Final = b'"contentversion"'
_FACTORY: Final = lazy_regex(rb"""["']policyexemption["']\s*:|policyexemption\.schema\.json["']""", re.IGNORECASE)
_IS_SCHEMA: Final = b"//json-schema.org/"
_BICEP_TEXT: Final = lazy_regex(
    rb"^[ \t]*(?:targetScope\s*=|using\s+(?:'|none\b)|(?:resource|module)\s+\w+\s+'|param\s+\w+[\s=])", re.MULTILINE
)


def kind_of(ending: str, data: bytes) -> Kind | None:
    """Return what a file is, by the ending of its name (lower case) and its bytes; None for what is no template.

    A JSON text that only looks like a template is refused by its reader.
    """
    if ending == ".bicep":
        return Kind.BICEP
    if ending == ".bicepparam":
        return Kind.BICEP_PARAMETERS
    text = _plain(data)
    if not text.lstrip(b" \t\r\n\xef\xbb\xbf")[:2].startswith((b"{", b"/")):
        return _bicep(text) if ending not in _NAMED else None
    found = _SCHEMA.search(text)
    if found:
        return Kind.ARM if found[1].lower() == b"template" else Kind.ARM_PARAMETERS
    lower = text.lower()
    if _VERSION in lower:
        return Kind.ARM if b'"resources"' in lower else Kind.ARM_PARAMETERS if b'"parameters"' in lower else None
    if _FACTORY.search(text) and _IS_SCHEMA not in lower:
        return Kind.AZPOLICYFACTORY
    return _bicep(text) if text.startswith(b"/") else None


def _bicep(text: bytes) -> Kind | None:
    found = _BICEP_TEXT.search(text[:100_000])
    if not found:
        return None
    return Kind.BICEP_PARAMETERS if found[0].lstrip().startswith(b"using") else Kind.BICEP


def _plain(data: bytes) -> bytes:
    """Return bytes in which ASCII texts can be looked for: those of UTF-16 and UTF-32 without their zero bytes."""
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]
    return data.replace(b"\0", b"").lstrip(b"\xff\xfe") if wide else data


def _no_template(data: bytes) -> str:
    if b"policyassignmentid" in _plain(data).lower():
        return "this is no template; to judge exemptions that were saved from Azure, use `exg judge`"
    return "this is neither an ARM template or its parameters, nor Bicep"


def _read(full: str, head: int = 0, most: int | None = None) -> bytes:
    """Return the bytes of a plain file. Raises OSError, and Unreadable for what is no plain file or is too large.

    Args:
        full: its path.
        head: how many bytes are looked at first: of a file that does not begin as JSON does, only these are returned.
        most: how many bytes it may have; LARGEST if nobody says.
    """
    handle = os.open(full, os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0))
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable(f"it is {_special(status.st_mode)}, not a plain file")
        first = file.read(head) if head else b""
        if head and not _plain(first).lstrip(b" \t\r\n\xef\xbb\xbf").startswith((b"{", b"/")):
            return first
        most = LARGEST if most is None else most
        if status.st_size > most:
            raise Unreadable(f"it has {status.st_size:,} bytes; at most {most:,} are read")
        return first + file.read(most)


def _special(mode: int) -> str:
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"))
    return next((name for is_kind, name in kinds if is_kind(mode)), "a device")


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _said(error: Exception, what: str) -> str:
    return str(error) if isinstance(error, Unreadable) else f"{what}: {_why(error)}"


def _why(error: Exception) -> str:
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
