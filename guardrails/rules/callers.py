"""Who writes, as a condition of Azure Policy. Not a rule.

`requestContext().identity` holds the claims of the caller's token (Microsoft Learn, "Use requestContext().identity to
return caller identity in Azure Policy"; Azure/azure-policy-linter, request-context-identity-is-enforcement-only and
unguarded-request-context-identity-access). It is there at a request only: compliance scans answer NotApplicable for a
definition that reads it. A claim may be missing. So none is taken for granted, and a caller that is not known is nobody
else: such a condition does not hold for him.
"""

from collections.abc import Iterable
from typing import Final

from guardrails.rules.control import Condition, every, some

LET_PAST: Final = "letPast"
"""The parameter that holds the identities that a definition lets past."""

NAMED: Final = "A user: the ruleset approves some users by name, and a policy sees only object ids."
NOT_KNOWN: Final = "A caller whose token has no object id, and an application whose token has no application id."

USER: Final = "user"
APP: Final = "app"

_OBJECT_ID: Final = "http://schemas.microsoft.com/identity/claims/objectidentifier"


def others(listed: list[str] | str, *, people: bool = True) -> Condition:
    """Return the condition that a known caller, by object id and application id, is none of those listed.

    A user has the application id of the client that he uses, which says nothing of who he is: of users, object ids
    count alone. Any other caller may be listed by either, so both must be known. `listed` is a list, or the expression
    of a parameter. `people`: whether it holds for users too.
    """
    found: list[Condition] = [{**_claim(_OBJECT_ID), "notEquals": ""}]
    if not people:
        found.append({**_claim("idtyp"), "equals": APP})
    if listed:
        is_user = {**_claim("idtyp"), "equals": USER}
        application = _claim("appid")
        by_application = every(({**application, "notEquals": ""}, {**application, "notIn": listed}))
        by_object = {**_claim(_OBJECT_ID), "notIn": listed}
        found += [by_object, some((by_application, is_user)) if people else by_application]
    return every(found)


def not_let_past() -> Condition:
    """Return the condition that a known caller is none of those whom the assignment lets past."""
    return others(f"[parameters('{LET_PAST}')]")


def sorted_out(identities: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the ids that a policy can compare, and the names that it cannot: a token has no user principal name."""
    found = sorted(identities)
    return [one for one in found if _is_id(one)], [one for one in found if not _is_id(one)]


def _is_id(text: str) -> bool:
    from uuid import UUID  # noqa: PLC0415 - for policies alone, and it is slow to load

    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _claim(name: str) -> Condition:
    return {"value": f"[coalesce(tryGet(requestContext().identity,'{name}'),'')]"}
