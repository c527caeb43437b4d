"""Git repositories of a test's own, made by git."""

import os
import subprocess
from pathlib import Path
from typing import Final

from tests.patience import PATIENCE

_OWN: Final = {
    "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_AUTHOR_NAME": "a", "GIT_COMMITTER_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@contoso.com", "GIT_COMMITTER_EMAIL": "a@contoso.com",
    "GIT_AUTHOR_DATE": "2026-11-01T00:00:00Z", "GIT_COMMITTER_DATE": "2026-11-01T00:00:00Z",
}  # fmt: skip


def git(root: Path, *words: str, given: bytes = b"") -> str:
    """Run git in a repository; return what it says."""
    command = ["git", "-C", str(root), "-c", "protocol.file.allow=always", *words]
    done = subprocess.run(  # noqa: S603 - the words are the tests' own
        command, env=os.environ | _OWN, check=True, capture_output=True, timeout=PATIENCE, input=given
    )
    return done.stdout.decode("utf-8", "surrogateescape").strip()


def make(root: Path) -> Path:
    """Make a repository without commits."""
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "-q", "-b", "main")
    return root


def commit(root: Path) -> str:
    """Commit all that is in the folder; return the commit's hash."""
    git(root, "add", "-A", "-f")
    git(root, "commit", "-q", "--allow-empty", "-m", "x")
    return git(root, "rev-parse", "HEAD")
