"""Resource ids from types and names. Pure, apart from what the caller gives of the deployment's scope."""

import re
from typing import Final

from guardrails.evaluation.functions.base import unsure
from guardrails.evaluation.values import EngineError, Unknown, Value
from guardrails.lazy_regex import lazy_regex

_GUID: Final = lazy_regex(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
_NAME: Final = lazy_regex(r"[^/]+")


def typed_path(type_: str, names: list[str]) -> str:
    """Return `Provider/type/name/type/name`. Raises EngineError where there is not one name for each type."""
    provider, *types = type_.strip("/").split("/")
    if not types or len(types) != len(names):
        raise EngineError(f"{type_[:80]!r} needs {len(types)} names, not {len(names)}")
    pairs = "/".join(f"{one}/{name}" for one, name in zip(types, names, strict=True))
    return f"{provider}/{pairs}"


def split_arguments(arguments: list[Value], most: int, name: str) -> tuple[list[str], str, list[str]] | Unknown:
    """Split a call's arguments into those before the type (at most `most`), the type, and the names.

    Raises EngineError.
    """
    if not all(isinstance(argument, str) for argument in arguments):
        return unsure(f"{name}() of something that is no text")
    texts: list[str] = list(arguments)
    at = next((number for number, one in enumerate(texts) if "/" in one), None)
    if at is None or at > most:
        raise EngineError(f"{name}() needs a type such as 'Microsoft.Storage/storageAccounts'")
    before, type_, names = texts[:at], texts[at], texts[at + 1 :]
    if not all(_NAME.fullmatch(one) for one in [*before, *names]) or not re.fullmatch(r"[^/]+(/[^/]+)+", type_):
        if any(not one for one in [*before, *names]):
            return unsure(f"{name}() with an empty name")
        return unsure(f"{name}() with such a type or name")
    return before, type_, names


def is_guid(text: str) -> bool:
    """Whether a text is a GUID with hyphens, as a subscription's id is."""
    return bool(_GUID.fullmatch(text))


def subscription_of(scope: str) -> str | None:
    """Return the GUID of the subscription that a scope's id lies in; None where there is none."""
    found = re.match(r"/subscriptions/([^/]+)", scope, re.I)
    return found[1] if found else None


def group_of(scope: str) -> str | None:
    """Return the name of the resource group that a scope's id lies in; None where there is none."""
    found = re.match(r"/subscriptions/[^/]+/resourceGroups/([^/]+)", scope, re.I)
    return found[1] if found else None


def management_group_of(scope: str) -> str | None:
    """Return the name of the management group that a scope's id is; None where it is none."""
    found = re.fullmatch(r"/providers/Microsoft\.Management/managementGroups/([^/]+)", scope, re.I)
    return found[1] if found else None


def id_at(scope: str, path: str) -> str:
    """Return the id of a resource with this typed path at a scope; `/` is the tenant."""
    return f"{scope.rstrip('/')}/providers/{path}"


def canonical(scope: str) -> str:
    """Return a scope's id in the spelling that the engine makes ids with."""
    subscription, group, management_group = subscription_of(scope), group_of(scope), management_group_of(scope)
    if management_group is not None:
        return f"/providers/Microsoft.Management/managementGroups/{management_group}"
    if group is not None:
        return f"/subscriptions/{subscription}/resourceGroups/{group}"
    return f"/subscriptions/{subscription}" if subscription is not None else scope
