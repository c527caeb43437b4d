"""Which operations the guardrails call: written down for the test of their roles.

Where the environment names a folder in SANDBOX_OPERATIONS, each stand-in adds a file to it with the Azure operations
that the service's own identity asked for, one a line, each once. Tests that speak as that identity do so by plain HTTP,
with no client of Azure and no name of ours: these requests alone are left out.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from sandbox.arm.graph_query import read

SETTING: Final = "SANDBOX_OPERATIONS"
_OURS: Final = frozenset({"guardrails", "func-exemption-guardrails"})
PLAIN: Final = "Python/"
"""How aiohttp calls itself."""


def reads_of(body: Any) -> set[str]:
    """Return what a query to Resource Graph needs: it shows only what its caller may read."""
    types = read(body["query"]).types or {"*"}
    return {"Microsoft.ResourceGraph/resources/read", *(f"{one}/read" for one in types)}


class Operations:
    """Notes operations."""

    def __init__(self) -> None:
        folder = os.environ.get(SETTING)
        self._path = Path(folder) / f"{os.getpid()}-{uuid4().hex[:8]}.txt" if folder else None
        self._seen: set[str] = set()

    def note(self, caller: str, client: str, actions: Iterable[str]) -> None:
        """Note what a caller, by its name, needs to be allowed; `client` is the User-Agent of the request."""
        if self._path is None or caller not in _OURS or client.startswith(PLAIN):
            return
        new = sorted(set(actions) - self._seen)
        if new:
            self._seen.update(new)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.writelines(f"{action}\n" for action in new)
