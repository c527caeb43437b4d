"""Microsoft's parser, in one process of Node.js for all queries."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.azurite import NODE_FILE
from tests.kql.tables import LOG_ANALYTICS, RESOURCE_GRAPH
from tests.patience import PATIENCE

_HERE: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Checked:
    """What is wrong with a query, a sentence each, and the operators that it uses, as the parser names them."""

    wrong: tuple[str, ...]
    operators: frozenset[str]


def check(queries: Sequence[str]) -> list[Checked]:
    """Parse and bind queries. Raises CalledProcessError where Node.js or the parser does not run."""
    tables = {
        name: ", ".join(f"['{column}']:{kind}" for column, _, kind in (one.partition(":") for one in columns.split()))
        for name, columns in {**LOG_ANALYTICS, **RESOURCE_GRAPH}.items()
    }
    ran = subprocess.run(  # noqa: S603 - our own script
        [NODE_FILE.read_text("utf-8").strip(), str(_HERE / "check.js")],
        input=json.dumps({"tables": tables, "queries": list(queries)}),
        capture_output=True, text=True, encoding="utf-8", timeout=PATIENCE, check=True,
    )  # fmt: skip
    return [Checked(tuple(one["wrong"]), frozenset(one["operators"])) for one in json.loads(ran.stdout)]
