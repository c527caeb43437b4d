"""The policies of an initiative, as Azure's answers and people's files give them. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from guardrails.facts import Unread


def members_of(listed: object) -> Mapping[str, str] | Unread:
    """Return reference id -> definition id, lower case, of an initiative's policyDefinitions.

    Without readable members it is Unread, never empty.
    """
    try:
        members = {
            str(one["policyDefinitionReferenceId"]): str(one["policyDefinitionId"])
            for one in cast(Sequence[Mapping[str, Any]], listed or ())
        }
    except (KeyError, TypeError):
        members = {}
    if not members:
        return Unread("Azure's answer does not say which policies the initiative holds")
    return {reference.lower(): definition.lower() for reference, definition in members.items()}
