"""The wheel's dependencies: what requirements-cli.txt names, and the files that it includes, with their pins.

Run by hatchling, in an environment that has nothing else of this project.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class Dependencies(MetadataHookInterface):
    """Sets `project.dependencies`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Change the metadata in place. Raises OSError for a file that is not there."""
        metadata["dependencies"] = sorted(named(Path(self.root, "requirements-cli.txt")))


def named(file: Path) -> Iterator[str]:
    """Yield the requirements of a file and of those that it includes (-r).

    Constraints (-c) are left out: they are for what is deployed, and no part of a wheel.
    """
    for line in file.read_text("utf-8").splitlines():
        requirement = line.partition("#")[0].strip()
        if requirement.startswith("-r "):
            yield from named(file.parent / requirement.removeprefix("-r ").strip())
        elif requirement and not requirement.startswith("-"):
            yield requirement
