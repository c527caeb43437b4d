"""Which answers of Azure to a write say that it is not allowed; every other refusal may pass, and is tried again. Pure.

A status alone says too little: a 400, 403 or 409 may come of another operation under way, or of a proxy between. So the
error's code decides ("Common Azure deployment errors" and "Lock your resources", Microsoft Learn).
"""

from collections.abc import Mapping
from typing import Final

REFUSALS: Final[Mapping[str, str]] = {
    "AuthorizationFailed": "our identity lacks a role",
    "LinkedAuthorizationFailed": "our identity lacks a role on an object that the exemption names",
    "DenyAssignmentAuthorizationFailed": "a deny assignment",
    "RequestDisallowedByPolicy": "a policy of the tenant",
    "RequestDisallowedByAzure": "a restriction by Azure",
    "ScopeLocked": "a lock",
    "ReadOnlyDisabledSubscription": "the subscription is disabled and read-only",
    "InvalidRequestContent": "Azure does not accept the body",
    "InvalidCreatePolicyExemptionRequest": "the body names something that no longer exists",
    "InvalidPolicyDefinitionReference": "the body names a policy that the initiative no longer has",
    "InvalidPolicyAssignmentIdUpdate": "an exemption cannot move to another assignment",
    "InvalidPolicyExemptionName": "Azure does not accept the name",
    "PolicyExemptionQuotaExceeded": "the scope has reached its limit of exemptions",
    "PolicyAssignmentNotFound": "the assignment no longer exists",
    "SubscriptionNotFound": "the subscription no longer exists",
    "RequestEntityTooLarge": "the body is too large",
    "TagsNotSupported": "the scope does not accept tags",
    "InvalidTagCount": "the scope does not accept more tags",
    "InvalidTagNameCharacters": "the scope does not accept the tag's name",
    "InvalidTagValueLength": "the scope does not accept the tag's value",
}
"""ARM's error codes, and what each means."""

_CODES: Final = frozenset(map(str.lower, REFUSALS))
_MOMENTARY: Final = frozenset({408, 409, 412, 423, 425, 429})
UNKNOWN_DELAY: Final = 900.0
"""Seconds until a write is tried again that was refused for a reason which is not in the list: others wait, too."""


def is_refusal(status: int, code: str) -> bool:
    """Whether an answer says that a write is not allowed, and would not be in a moment."""
    return 400 <= status < 500 and code.lower() in _CODES


def wait_after(status: int, asked: float) -> float:
    """Return the seconds to wait after another answer; `asked`: what it asked for."""
    momentary = status >= 500 or status in _MOMENTARY
    return asked if momentary else max(asked, UNKNOWN_DELAY)
