"""Where the files of a repository are: on the disk, or in a revision of git. `walk` reads either in the same way."""

import os
import stat
from collections.abc import Hashable, Sequence
from typing import Final, Protocol

LARGEST: Final = 32 * 1024 * 1024
"""Bytes of one file that are read."""
SPACE: Final = b" \t\r\n\xef\xbb\xbf"
"""What may be in front of a JSON text."""


class Unreadable(Exception):
    """A file cannot be read; the text says why, for people."""


class Entry(Protocol):
    """What a folder holds, as os.DirEntry says it."""

    @property
    def name(self) -> str:
        """Its name in the folder."""

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a folder. May raise OSError."""

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a plain file. May raise OSError."""


class Tree(Protocol):
    """Files by their absolute paths. A method that may fail raises OSError or Unreadable."""

    def exists(self, full: str) -> bool:
        """Whether there is a file, a folder or a link, wherever that leads."""

    def is_folder(self, full: str) -> bool:
        """Whether it is a folder, or a link to one."""

    def is_file(self, full: str) -> bool:
        """Whether it is a plain file, or a link to one."""

    def is_link(self, full: str) -> bool:
        """Whether it is a link."""

    def real(self, full: str) -> str:
        """Return the path without links."""

    def same(self, full: str) -> Hashable:
        """Return what distinguishes a folder from others, whatever links lead to it."""

    def entries(self, full: str) -> Sequence[Entry]:
        """Return what a folder holds, in any order."""

    def read(self, full: str, head: int = 0, most: int | None = None) -> bytes:
        """Return the bytes of a plain file.

        Args:
            full: its path.
            head: how many bytes are looked at first: of a file that does not begin as JSON does, only these are
                returned.
            most: how many bytes it may have; LARGEST if nobody says.
        """


class Disk:
    """The files of this machine, as they are now."""

    def exists(self, full: str) -> bool:
        """See Tree."""
        return os.path.lexists(full)

    def is_folder(self, full: str) -> bool:
        """See Tree."""
        return os.path.isdir(full)  # noqa: PTH112 - paths are texts here: a Path for each file costs as much as reading

    def is_file(self, full: str) -> bool:
        """See Tree."""
        return os.path.isfile(full)  # noqa: PTH113

    def is_link(self, full: str) -> bool:
        """See Tree."""
        return os.path.islink(full)  # noqa: PTH114

    def real(self, full: str) -> str:
        """See Tree."""
        return os.path.realpath(full)

    def same(self, full: str) -> Hashable:
        """Return the device and number of a folder."""
        status = os.stat(full)  # noqa: PTH116
        return status.st_dev, status.st_ino

    def entries(self, full: str) -> Sequence[Entry]:
        """See Tree."""
        with os.scandir(full) as listed:
            return [*listed]

    def read(self, full: str, head: int = 0, most: int | None = None) -> bytes:
        """See Tree."""
        handle = os.open(full, os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0))
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise Unreadable(f"it is {_special(status.st_mode)}, not a plain file")
            first = _read(handle, head) if head else b""
            if head and not begins_as_json(first):
                return first
            check_size(status.st_size, most)
            left = LARGEST if most is None else most
            data = _read(handle, min(left, status.st_size + 1))  # a larger buffer costs more time than the reading
            if len(data) > status.st_size:  # it has grown, or does not say its size
                data += _read(handle, left - len(data))
            return first + data
        finally:
            os.close(handle)


DISK: Final = Disk()


def _read(handle: int, most: int) -> bytes:
    """Return the next bytes of an open file: so many, or all that are left. Python's file object takes longer."""
    data = os.read(handle, most)
    while data and len(data) < most and (more := os.read(handle, most - len(data))):
        data += more
    return data


def begins_as_json(data: bytes) -> bool:
    """Whether bytes begin as an object of JSON does, or a comment before it."""
    return plain_bytes(data).lstrip(SPACE).startswith((b"{", b"/"))


def plain_bytes(data: bytes) -> bytes:
    """Return bytes in which ASCII texts can be looked for: those of UTF-16 and UTF-32 without their zero bytes."""
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]
    return data.replace(b"\0", b"").lstrip(b"\xff\xfe") if wide else data


def check_size(size: int, most: int | None) -> None:
    """Raise Unreadable for a file that is too large. `most`: LARGEST if nobody says."""
    most = LARGEST if most is None else most
    if size > most:
        raise Unreadable(f"it has {size:,} bytes; at most {most:,} are read")


def _special(mode: int) -> str:
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"))
    return next((name for is_kind, name in kinds if is_kind(mode)), "a device")
