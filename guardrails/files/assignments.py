"""Policy assignments and initiatives in files: what `judge --assignments` knows about what is exempted. Pure.

As `az policy assignment list`, `az policy set-definition list`, PowerShell, ARM or Resource Graph give them.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from guardrails.facts import Assignment, Unread
from guardrails.initiatives import members_of

_ASSIGNMENT: Final = "/policyassignments/"
_INITIATIVE: Final = "/policysetdefinitions/"


class Assignments:
    """The assignments of some files, by id in any casing. What they do not hold is Unread: a file proves no absence."""

    def __init__(self, bodies: Iterable[Mapping[str, Any]] = ()) -> None:
        self._definitions: dict[str, str] = {}
        self._members: dict[str, Mapping[str, str] | Unread] = {}
        for body in bodies:
            key = _key(_field(body, "id") or _field(body, "resourceid"))
            if _ASSIGNMENT in key:
                self._definitions[key] = str(_field(body, "policydefinitionid") or "")
            elif _INITIATIVE in key:
                members = members_of(_field(body, "policydefinitions") or _field(body, "policydefinition"))
                if key not in self._members or isinstance(members, Mapping):  # one that was read is not unread again
                    self._members[key] = members

    def __len__(self) -> int:
        return len(self._definitions) + len(self._members)

    def find(self, assignment_id: str) -> Assignment | Unread:
        """Return the assignment, its members where its initiative is there too."""
        definition = self._definitions.get(_key(assignment_id))
        if not definition:
            return Unread("it is in none of the files given with --assignments")
        if _INITIATIVE not in definition.lower():
            return Assignment(assignment_id, definition, {})
        members = self._members.get(_key(definition))
        missing = Unread("it is in none of the files given with --assignments")
        return Assignment(assignment_id, definition, missing if members is None else members)


def _field(body: Mapping[str, Any], name: str) -> Any:
    """Return a field of the body or of its properties, whatever its casing; None where it is absent."""
    found = {str(key).lower(): value for key, value in body.items()}
    if name in found:
        return found[name]
    inner = found.get("properties")
    return {str(key).lower(): value for key, value in inner.items()}.get(name) if isinstance(inner, Mapping) else None


def _key(text: object) -> str:
    return "/" + str(text or "").strip("/ ").lower()
