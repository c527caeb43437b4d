"""The policies of an initiative, as Azure's answers and people's files give them. Pure."""

from collections.abc import Mapping
from typing import Final

from guardrails.facts import Unread

_UNREADABLE: Final = Unread("which policies the initiative holds cannot be read")


def members_of(listed: object) -> Mapping[str, str] | Unread:
    """Return reference id -> definition id, lower case, of an initiative's policyDefinitions.

    Without readable members it is Unread, never empty.
    """
    rows = listed if isinstance(listed, list | tuple) else ()
    found = {}
    for row in rows:
        said = {str(key).lower(): value for key, value in row.items()} if isinstance(row, Mapping) else {}
        reference, definition = said.get("policydefinitionreferenceid"), said.get("policydefinitionid")
        if not (isinstance(reference, str) and reference and isinstance(definition, str) and definition):
            return _UNREADABLE
        found[reference.lower()] = definition.lower()
    return found or _UNREADABLE
