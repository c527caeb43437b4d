"""The files that a Bicep file is made of: modules, imports, loaded files. Each is read once; no other file is opened.

Nothing is fetched: a module of a registry or template spec is Unknown.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from guardrails.evaluation.template import Template, TypeOf
from guardrails.files.bicep_syntax import Declaration


class Files(Protocol):
    """The files of a repository, as `walk.Repository` gives them. All paths are relative to its root."""

    def joined(self, base: str, reference: str) -> str:
        """Return the path that a file at `base` means by a reference. Raises Unreadable."""
        ...

    def read(self, path: str) -> bytes:
        """Return the bytes of a file. Raises Unreadable."""
        ...

    def listed(self, path: str) -> list[str]:
        """Return the names of the plain files of a folder. Raises Unreadable."""
        ...


@dataclass(slots=True)
class Lowered:
    """One Bicep file, read.

    Attributes:
        exported: the names that it exports, and for each its declaration.
        types: its types by name.
    """

    template: Template
    exported: dict[str, Declaration] = field(default_factory=dict)
    types: dict[str, TypeOf] = field(default_factory=dict)


REMOTE: Final = ("br:", "br/", "ts:", "ts/", "oci:")
"""How a reference begins that leads to a registry or a template spec."""
