"""What no log may hold: planted secrets, and texts of exemptions. The whole suite's logs are searched for it."""

import logging
import re
from pathlib import Path

from sandbox.azurite import KEY
from sandbox.sink import DEFAULT_SECRET

SECRETS = ("canary7f3a", "sig=canary", DEFAULT_SECRET.removeprefix("whsec_"), KEY, f"AccountKey={KEY[:8]}")
"""Parts of addresses, signing secrets and keys that tests use."""

BODY = "uploader cannot use private endpoints"
"""In the description of nearly every exemption that tests write."""

TOKEN = re.compile(r"\beyJ[\w-]{10,}\.[\w-]{10,}")


def found_in(text: str) -> list[str]:
    """Return what a text holds that no log may hold."""
    found = [secret for secret in (*SECRETS, BODY) if secret in text]
    return [*found, "a token"] if TOKEN.search(text) else found


class Watch(logging.Handler):
    """Listens to every logger of the process, and remembers the lines that no log may hold."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard = 0
        self.leaks: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard += 1
        text = logging.Formatter().format(record)
        if found := found_in(text):
            self.leaks.append(f"{record.name} {record.levelname}: {', '.join(found)}: {text[:300]}")


def leaks_of(folder: Path) -> list[str]:
    """Return the leaks in every log file below a folder."""
    leaks = []
    for path in sorted(folder.rglob("*.log")):
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
            if found := found_in(line):
                leaks.append(f"{path.name}:{number}: {', '.join(found)}: {line[:300]}")
    return leaks
