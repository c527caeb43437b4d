"""The files of a commit, as `walk` reads those of the disk: from git's objects, without a checkout."""

import errno
import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from guardrails.dataclass import dataclass
from guardrails.files.git import Git, GitError
from guardrails.files.tree import Unreadable, begins_as_json

MOST: Final = 1_000_000
"""Names of files and folders that are read of a commit: trees that hold one another are small, and list millions."""
_HOPS: Final = 40
"""Links that lead to links."""
_PATH: Final = 4_096
"""Bytes of the path in a link."""
_FOLDER: Final = 0o040000
_LINK: Final = 0o120000
_SUBMODULE: Final = 0o160000
_KINDS: Final = 0o170000
_OCTAL: Final = frozenset(b"01234567")
_POINTER: Final = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True, slots=True)
class _Named:
    """A name in a folder of the commit. `hash`: of the object that it names."""

    name: str
    kind: int
    hash: str


@dataclass(frozen=True, slots=True)
class _Listed:
    """A name in a folder, as os.DirEntry says it."""

    own: _Named
    meant: int | None

    @property
    def name(self) -> str:
        """See guardrails.files.tree.Entry."""
        return self.own.name

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """See guardrails.files.tree.Entry."""
        return (self.meant if follow_symlinks else self.own.kind) in (_FOLDER, _SUBMODULE)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """See guardrails.files.tree.Entry."""
        return self.meant not in (_FOLDER, _SUBMODULE, None) and (follow_symlinks or self.own.kind != _LINK)


class GitTree:
    """A commit's files, by the paths that they have below the root of the repository. See guardrails.files.tree.Tree.

    Args:
        root: the absolute path of the folder that has `.git` in it.
        revision: a name of the commit.

    Attributes:
        commit: its hash.
        is_ambiguous: whether the name is that of several tags and branches.
        submodules: the paths, from the root, of those that the walk came by: what is in them is not read.

    Raises GitError.
    """

    def __init__(self, root: Path, revision: str) -> None:
        if not (root / ".git").exists():
            raise GitError(f"{root} is in no working tree of git", "Run the check in a clone that is not bare.")
        self._root = str(root).rstrip("/")
        self._git = Git(root)
        self.commit = self._git.commit_of(revision)
        self.is_ambiguous = self._git.is_ambiguous
        self.submodules: dict[str, None] = {}
        self._folders: dict[str, Mapping[str, _Named]] = {}
        self._names = 0
        try:
            head = self._git.read(self.commit)
            first = head.partition(b"\n")[0].partition(b" ")[2].decode("ascii", "replace")
            self._hashes = {"": first}
            self._folder("")
        except Unreadable as error:
            self.close()
            raise GitError(f"the files of '{revision[:60]}' cannot be read: {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop git."""
        self._git.close()

    def exists(self, full: str) -> bool:
        """See Tree."""
        return self._quietly(full, follow=False) is not None

    def is_folder(self, full: str) -> bool:
        """See Tree."""
        return self._quietly(full) in (_FOLDER, _SUBMODULE)

    def is_file(self, full: str) -> bool:
        """See Tree."""
        return self._quietly(full) not in (_FOLDER, _SUBMODULE, None)

    def is_link(self, full: str) -> bool:
        """See Tree."""
        return self._quietly(full, follow=False) == _LINK

    def real(self, full: str) -> str:
        """See Tree."""
        try:
            path, _ = self._found(full)
        except FileNotFoundError:
            return full
        return self._full(path)

    def same(self, full: str) -> Hashable:
        """See Tree."""
        return self._found(full)[0]

    def entries(self, full: str) -> Sequence[_Listed]:
        """See Tree. A submodule has none."""
        path, named = self._found(full)
        if named is None or named.kind not in (_FOLDER, _SUBMODULE):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if named.kind == _SUBMODULE:
            self.submodules[path] = None
            return []
        return [_Listed(one, self._meant(one, path)) for one in self._folder(path).values()]

    def read(self, full: str, head: int = 0, most: int | None = None) -> bytes:
        """See Tree."""
        _, named = self._found(full)
        if named is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if named.kind in (_FOLDER, _SUBMODULE):
            raise Unreadable("it is a folder, not a plain file")
        data = self._git.read(named.hash, most)
        if data.startswith(_POINTER):
            raise Unreadable("it is in Git LFS, so its content is not in the repository")
        return data[:head] if head and not begins_as_json(data[:head]) else data

    def _meant(self, one: _Named, folder: str) -> int | None:
        """Return what a name leads to; None where it leads nowhere."""
        if one.kind != _LINK:
            return one.kind
        full = self._full(f"{folder}/{one.name}".lstrip("/"))
        meant = self._quietly(full)
        if meant is None and self._is_folder_elsewhere(full):
            return _FOLDER  # as on the disk, so that it is refused in the same way
        return meant

    def _is_folder_elsewhere(self, full: str) -> bool:
        """Whether a link leads out of the repository, to a folder of this machine. That is not entered."""
        try:
            path, named = self._found(full)
        except (OSError, Unreadable):
            return False
        return named is None and os.path.isdir(path)  # noqa: PTH112 - paths are texts here

    def _quietly(self, full: str, *, follow: bool = True) -> int | None:
        """Return what a path is, None for nothing."""
        try:
            _, named = self._found(full, follow=follow)
        except (OSError, Unreadable):
            return None
        return named.kind if named else None

    def _full(self, path: str) -> str:
        return path if path.startswith("/") else f"{self._root}/{path}".rstrip("/")

    def _found(self, full: str, *, follow: bool = True) -> tuple[str, _Named | None]:
        """Return where a path leads, from the root, and what is there: None where that is out of the repository.

        Raises OSError where there is nothing, Unreadable where a folder on the way cannot be read.
        """
        left = self._parts(full)
        if left is None:
            return full, None
        path, here, hops = "", _Named("", _FOLDER, ""), 0
        while left:
            part = left.pop()
            if part == "..":
                if not path:
                    return self._outside([part, *reversed(left)]), None
                path = path.rpartition("/")[0]
                here = _Named("", _FOLDER, "")
                continue
            found = self._folder(path).get(part) if here.kind == _FOLDER else None
            if found is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            if found.kind == _LINK and (left or follow):
                hops += 1
                if hops > _HOPS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                target = os.fsdecode(self._git.read(found.hash, _PATH))
                more = self._parts(target) if target.startswith("/") else _split(target)
                if more is None:
                    return target, None
                path, left = "" if target.startswith("/") else path, left + more
                here = _Named("", _FOLDER, "")
                continue
            path, here = f"{path}/{part}".lstrip("/"), found
            if found.kind == _FOLDER:
                self._hashes[path] = found.hash
        return path, here

    def _parts(self, full: str) -> list[str] | None:
        """Return the parts of an absolute path below the root, the last one first; None where it is elsewhere."""
        if full != self._root and not full.startswith(f"{self._root}/"):
            return None
        return _split(full[len(self._root) :])

    def _outside(self, parts: Sequence[str]) -> str:
        return os.path.normpath("/".join((self._root, *parts)))

    def _folder(self, path: str) -> Mapping[str, _Named]:
        """Return what a folder holds, by name; the folder is one that was found before. Raises Unreadable."""
        if path not in self._folders:
            self._folders[path] = made = _listed(self._git.read(self._hashes[path]), len(self.commit) // 2)
            self._names += len(made)
            if self._names > MOST:
                raise GitError(f"the commit has more than {MOST:,} files and folders, which is too many to be read")
        return self._folders[path]


def _split(path: str) -> list[str]:
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _listed(data: bytes, width: int) -> Mapping[str, _Named]:
    """Read a tree object: for each name its mode, a space, the name, a zero byte, and the hash. Raises Unreadable.

    `width`: the bytes of a hash.
    """
    found: dict[str, _Named] = {}
    at = 0
    while at < len(data):
        space, end = data.find(b" ", at), data.find(b"\0", at)
        if not at < space < end or end + width >= len(data) or not set(data[at:space]) <= _OCTAL:
            raise Unreadable("the folder is damaged")
        name = os.fsdecode(data[space + 1 : end])
        if not name or "/" in name or name in (".", ".."):
            raise Unreadable("a name in the folder is one that no file can have")
        found[name] = _Named(name, int(data[at:space], 8) & _KINDS, data[end + 1 : end + 1 + width].hex())
        at = end + 1 + width
    return found
