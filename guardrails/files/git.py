"""Objects of a git repository, read by git itself. Nothing of the repository is run, and nothing is fetched.

The repository may be a stranger's, and its configuration too: git is called only for `rev-parse` and `cat-file
--batch`, which run no hook, filter, text conversion or pager; what could make them fetch missing objects is switched
off; and nothing of this program's environment that begins with GIT_ counts.
"""

import os
import re
import select
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from guardrails.files.tree import Unreadable, check_size

_SECONDS: Final = 60
"""How long git may take for one answer."""
_HASH: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_HEADER: Final = 200
"""Bytes of the first line of an answer, at most."""
_LONGEST: Final = 1_000
"""Characters of a revision's name."""
_CHUNK: Final = 1 << 16
_AMBIGUOUS: Final = "is ambiguous"
"""What git warns of, where a name is that of a tag and a branch."""
_OPTIONS: Final = (
    "--no-pager", "--no-replace-objects", "--literal-pathspecs",
    "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "safe.bareRepository=explicit",
    "-c", "protocol.allow=never", "-c", "submodule.recurse=false",
    "-c", "core.warnAmbiguousRefs=true",
)  # fmt: skip


class GitError(Exception):
    """Git cannot read the revision. `remedy`: what to do about it; "" where the text says it."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


class Git:
    """Reads the objects of one repository.

    Args:
        root: the folder that has `.git` in it.

    Attributes:
        is_ambiguous: whether the name that commit_of was given last is that of several tags and branches.

    Raises GitError where git is not there.
    """

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._program = _program(root)
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._left = b""
        self.is_ambiguous = False

    def commit_of(self, revision: str) -> str:
        """Return the hash of the commit that a name means. Raises GitError."""
        shown = "".join(one if one.isprintable() else "?" for one in revision[:60])
        if not revision or revision.startswith("-") or not revision.isprintable() or len(revision) > _LONGEST:
            raise GitError(f"'{shown}' is no revision", "Give the name of a branch, a tag or a commit.")
        code, said, wrong = self._ask("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
        if code == 0 and _HASH.fullmatch(said):
            self.is_ambiguous = _AMBIGUOUS in wrong
            return said
        if "dubious ownership" in wrong:
            raise GitError(
                "git does not read this repository, because it belongs to another user",
                "Run the check as its owner, or add the folder to safe.directory in your own git configuration.",
            )
        if "not a git repository" in wrong:
            raise GitError(f"{self._root} is no git repository")
        remedy = "Give the name of a branch, a tag or a commit that this clone has."
        _, shallow, _ = self._ask("rev-parse", "--is-shallow-repository")
        if shallow == "true":
            remedy = "The clone is shallow: fetch the commit first, in a workflow with fetch-depth: 0."
        raise GitError(f"'{shown}' is no revision of this repository", remedy)

    def read(self, name: str, most: int | None = None) -> bytes:
        """Return the content of an object, by its hash. Raises Unreadable.

        `most`: how many bytes it may have; guardrails.files.tree.LARGEST if nobody says.
        """
        try:
            return self._read(name, most)
        except (OSError, _Stopped) as error:
            self.close()
            raise Unreadable(f"git cannot read it: {error}") from None

    def close(self) -> None:
        """Stop the program that reads."""
        process, self._process, self._left = self._process, None, b""
        if process is not None and self._owner == os.getpid():
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream:
                    stream.close()

    def _read(self, name: str, most: int | None) -> bytes:
        process = self._started()
        assert process.stdin is not None  # noqa: S101 - for the type checker: it is a pipe
        process.stdin.write(name.encode() + b"\n")
        until = time.monotonic() + _SECONDS
        _, _, rest = self._line(until).partition(b" ")
        kind, _, size = rest.partition(b" ")
        if not size.isdigit():
            missing = kind == b"missing"
            raise Unreadable(
                "it is not in this clone, which lacks objects; nothing is fetched" if missing else "git cannot read it"
            )
        try:
            check_size(int(size), most)
        except Unreadable:
            self.close()  # rather than read on over what is too large
            raise
        content = self._bytes(int(size) + 1, until)
        return content[:-1]

    def _started(self) -> "subprocess.Popen[bytes]":
        """Return the running program: each process has its own, for forks share the pipes of this one."""
        if self._process is None or self._owner != os.getpid():
            self._owner, self._left = os.getpid(), b""
            self._process = subprocess.Popen(  # noqa: S603 - git, called as the module says
                self._command("cat-file", "--batch"), env=_environment(self._root), bufsize=0,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        return self._process

    def _line(self, until: float) -> bytes:
        while b"\n" not in self._left:
            if len(self._left) > _HEADER:
                raise _Stopped("its answer makes no sense")
            self._left += self._some(until)
        line, _, self._left = self._left.partition(b"\n")
        return line

    def _bytes(self, size: int, until: float) -> bytes:
        parts, there = [self._left], len(self._left)
        while there < size:
            parts.append(self._some(until))
            there += len(parts[-1])
        whole = b"".join(parts)
        self._left = whole[size:]
        return whole[:size]

    def _some(self, until: float) -> bytes:
        assert self._process is not None  # noqa: S101 - for the type checker: _started made it
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        ready, _, _ = select.select([self._process.stdout], [], [], max(until - time.monotonic(), 0))
        if not ready:
            raise _Stopped(f"it took more than {_SECONDS} seconds")
        data = os.read(self._process.stdout.fileno(), _CHUNK)
        if not data:
            raise _Stopped("it stopped")
        return data

    def _ask(self, *words: str) -> tuple[int, str, str]:
        """Return the exit code, the answer and the complaint of a command."""
        try:
            done = subprocess.run(  # noqa: S603 - git, called as the module says
                self._command(*words), env=_environment(self._root), capture_output=True, check=False,
                timeout=_SECONDS, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise GitError(f"git took more than {_SECONDS} seconds") from None
        except OSError as error:
            raise GitError(f"git cannot be run: {(error.strerror or str(error)).lower()}") from None
        return done.returncode, done.stdout.decode("utf-8", "replace").strip(), done.stderr.decode("utf-8", "replace")

    def _command(self, *words: str) -> list[str]:
        return [self._program, *_OPTIONS, "-C", self._root, *words]


class _Stopped(Exception):
    """The program that reads does not answer."""


def _program(root: Path) -> str:
    """Return the path of git, from folders of the PATH that are absolute and not in the repository. Raises GitError."""
    named = map(Path, os.environ.get("PATH", os.defpath).split(os.pathsep))
    folders = [str(one) for one in named if one.is_absolute() and not one.resolve().is_relative_to(root.resolve())]
    found = shutil.which("git", path=os.pathsep.join(folders)) if folders else None
    if found is None:
        raise GitError("git is not on the PATH", "Install git, which reads the old revision.")
    return found


def _environment(root: str) -> Mapping[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.upper().startswith("GIT_")}
    return own | {
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",  # for versions that do not know the one above
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CEILING_DIRECTORIES": str(Path(root).parent),
        "LC_ALL": "C",
    }
