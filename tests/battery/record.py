"""What the last whole run of the battery came to: build/battery.json, of which docs/guarantees.md is made."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
PATH: Final = ROOT / "build" / "battery.json"


def keep(part: str, counts: dict[str, Any], path: Path = PATH) -> None:
    """Write one part of a run, `simulation`, `matrix` or `mutations`, with today's date, beside the other parts."""
    parts = read(path) if path.exists() else {}
    parts[part] = {"date": f"{datetime.now(UTC):%Y-%m-%d}", **counts}
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(parts, indent=2) + "\n", "utf-8")
    new.replace(path)


def read(path: Path = PATH) -> dict[str, dict[str, Any]]:
    """Return the parts by name. Raises OSError, and ValueError where it is no record."""
    parts = json.loads(path.read_text("utf-8"))
    if not isinstance(parts, dict):
        raise ValueError(f"{path} is no record of the battery")
    return parts
