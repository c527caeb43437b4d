"""The parameters of the tag-driven layer: which tags, and which ids are approved. Pure."""

from collections.abc import Sequence
from typing import Any, Final

from guardrails.exemption.names import TagNames

ID_TAG: Final = "exemptionTagName"
"""The parameter that holds the name of the tag of an exception's id."""
TICKET_TAG: Final = "exceptionTicketTagName"
EXPIRY_TAG: Final = "exceptionExpiryTagName"
APPROVED: Final = "approvedExemptionIds"
"""The parameter that holds the ids that are let past."""
CATEGORY: Final = "Policy exceptions"
"""Under which the portal lists what is ours."""


def tag_parameters(tags: TagNames) -> dict[str, Any]:
    """Return the parameters that hold the names of the three tags, in order: id, ticket, end."""
    return {
        ID_TAG: _text("Tag of the exception's id", "Name of the tag that holds the id of an exception.", tags.id),
        TICKET_TAG: _text(
            "Tag of the ticket", "Name of the tag that holds the ticket in which it was approved.", tags.ticket
        ),
        EXPIRY_TAG: _text("Tag of the end", "Name of the tag that says when the exception ends.", tags.expiry),
    }


def check_parameters(tags: TagNames, approved: Sequence[str]) -> dict[str, Any]:
    """Return the parameters of the check: the tag's name and the approved ids."""
    return {
        ID_TAG: tag_parameters(tags)[ID_TAG],
        APPROVED: {
            "type": "Array",
            "metadata": {
                "displayName": "Approved exception ids",
                "description": "What carries one of them in the tag is let past. An id stays until it is taken out."
                " A blank one lets nothing past.",
            },
            "defaultValue": list(approved),
        },
    }


def tag_field(parameter: str) -> str:
    """Return the field of the tag whose name a parameter holds."""
    return f"[concat('tags[', parameters('{parameter}'), ']')]"


def _text(title: str, meaning: str, value: str) -> dict[str, Any]:
    return {"type": "String", "metadata": {"displayName": title, "description": meaning}, "defaultValue": value}
