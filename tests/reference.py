"""Inputs that several tests read: our own in `fixtures/`, and beside the repository real ones, where they are.

Ours have the forms of the real ones, and nothing of their content. Where the real ones are absent, ours hold by
themselves; where they are there, both do.
"""

from pathlib import Path
from typing import Final

OWN: Final = Path(__file__).parent / "fixtures"
REAL: Final = Path(__file__).parents[1] / ".." / "shared"


def places(name: str) -> list[Path]:
    """Return the folders, or the files, of a name that are there: `corpus/rest`, `cases`."""
    return [place / name for place in (OWN, REAL) if (place / name).exists()]


def files(name: str, pattern: str = "*") -> list[Path]:
    """Return the files of folders of a name, those of ours first."""
    return [path for place in places(name) for path in sorted(place.rglob(pattern)) if path.is_file()]


def label(path: Path) -> str:
    """Return what a test calls a folder or a file."""
    return f"own-{path.stem}" if path.is_relative_to(OWN) else path.stem[-60:]
