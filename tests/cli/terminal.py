"""A pseudo-terminal for commands that run in this process: what a person sees there, line by line."""

import fcntl
import os
import pty
import re
import struct
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
NARROW = (60, 80)
"""Widths, in characters."""


@dataclass
class Seen:
    """What a terminal showed, once it is closed; both standard streams."""

    width: int
    raw: bytes = b""
    lines: list[str] = field(default_factory=list)

    def check(self, *whole: str) -> None:
        """Fail where a line is too long, or one of these texts is broken, or missing."""
        for line in self.lines:
            fits = len(line) <= self.width or " " not in line.strip()
            assert fits or line.startswith("python -m "), line  # a command is to be copied
        for text in whole:
            assert any(text in line for line in self.lines), (text, self.lines)


@contextmanager
def terminal(width: int) -> Iterator[Seen]:
    """Have both standard streams of this process be a terminal of that width."""
    mine, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    seen = Seen(width)

    def read() -> None:
        try:
            while chunk := os.read(mine, 65536):
                seen.raw += chunk
        except OSError:  # Linux: the other end is closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    with pytest.MonkeyPatch.context() as patched, os.fdopen(its, "w", encoding="utf-8") as stream:
        patched.delenv("COLUMNS", raising=False)
        patched.setenv("TERM", "xterm-256color")
        patched.setattr(sys, "stdout", stream)
        patched.setattr(sys, "stderr", stream)
        yield seen
    reader.join(10)
    os.close(mine)
    text = _ESCAPES.sub("", seen.raw.decode().replace("\r\n", "\n"))
    seen.lines = [line.rpartition("\r")[2].rstrip() for line in text.split("\n")]
