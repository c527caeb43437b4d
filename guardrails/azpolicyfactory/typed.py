"""The types that AzPolicyFactory's template asks for: what the Bicep compiler refuses of an exemption. Pure.

The compiler looks up keys exactly, the engine in any letter case. So an optional key in another letter case has no type
to be checked, and its value is still sent.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from guardrails.azpolicyfactory.config import EXEMPTION, Value, spelled, units

NAME_LENGTH: Final = 64
DISPLAY_NAME_LENGTH: Final = 128
SCOPE_KEYS: Final = ("managementGroupId", "subscriptionId", "resourceGroupName")
PROPERTIES: Final = (
    "name", "displayName", "description", "metadata", "exemptionCategory", "policyAssignmentId",
    "policyDefinitionReferenceIds", "expiresOn", "assignmentScopeValidation", "resourceSelectors",
)  # fmt: skip
"""The keys of an exemption that the template knows."""
_REQUIRED: Final = ("name", "policyAssignmentId", "exemptionCategory")
_KINDS: Final = (
    "GroupPrincipalId", "policyDefinitionReferenceId", "resourceLocation", "resourceType", "resourceWithoutLocation",
    "UserPrincipalId",
)  # fmt: skip


class Mistake(NamedTuple):
    """What the compiler refuses.

    Attributes:
        at: a JSON pointer into the file.
        why: `missing`, `type`, `too long`, or what is no object.
        alone: only if no other file is deployed with it: of several the compiler does not know which has the key.
    """

    at: str
    why: str
    alone: bool = False


type Check = Callable[[Value, str], Mistake | None]
"""Returns what is wrong with a value at a pointer."""

_NO_OBJECT: Final = "the file or its policyExemption is no object"


def mistakes_of(root: Value) -> list[Mistake]:
    """Return what the compiler refuses of a file; () where it takes it."""
    at = f"/{EXEMPTION}"
    if not isinstance(root, dict):
        return [Mistake("", _NO_OBJECT)]
    if EXEMPTION not in root:
        return [Mistake("", f"missing: {EXEMPTION}", alone=spelled(root, EXEMPTION) is not None)]
    exemption = root[EXEMPTION]
    if not isinstance(exemption, dict):
        return [Mistake(at, _NO_OBJECT)]
    found = [
        Mistake(at, f"missing: {key}", alone=spelled(exemption, key) is not None)
        for key in _REQUIRED
        if key not in exemption
    ]
    validation = "assignmentScopeValidation"
    if validation not in exemption:
        found.append(Mistake(at, f"missing: {validation}", alone=spelled(exemption, validation) is not None))
    found += [
        mistake
        for owner, above, checks in ((exemption, at, _EXEMPTION), (root, "", _SCOPES))
        for key, check in checks.items()
        if key in owner and (mistake := check(owner[key], f"{above}/{key}"))
    ]
    return found


def untyped(root: Value) -> str:
    """Return a key in another letter case whose value the compiler would refuse if it knew it; "" for none.

    What the engine makes of it is not certain.
    """
    outer = spelled(root, EXEMPTION)
    exemption = None if outer is None else root[outer]
    if outer != EXEMPTION and mistakes_of({EXEMPTION: exemption}):
        return str(outer)
    for owner, checks in ((exemption, _EXEMPTION), (root, _SCOPES)):
        for key, check in checks.items():
            name = spelled(owner, key)
            if owner is not None and name is not None and name != key and check(owner[name], ""):
                return name
    return ""


def _optional(check: Check) -> Check:
    return lambda value, at: None if value is None else check(value, at)


def _text(value: Value, at: str) -> Mistake | None:
    return None if isinstance(value, str) else Mistake(at, "type")


def _short(most: int) -> Check:
    def check(value: Value, at: str) -> Mistake | None:
        if not isinstance(value, str):
            return Mistake(at, "type")
        return Mistake(at, f"too long: at most {most}") if len(units(value)) > most else None

    return check


def _one_of(*values: str) -> Check:
    return lambda value, at: None if isinstance(value, str) and value in values else Mistake(at, "type")


def _list(item: Check) -> Check:
    def check(value: Value, at: str) -> Mistake | None:
        if not isinstance(value, list):
            return Mistake(at, "type")
        found = (item(one, f"{at}/{number}") for number, one in enumerate(value))
        return next(filter(None, found), None)

    return check


def _object(keys: Mapping[str, Check], required: tuple[str, ...] = ()) -> Check:
    def check(value: Value, at: str) -> Mistake | None:
        if not isinstance(value, dict):
            return Mistake(at, "type")
        missing = [key for key in required if key not in value]
        if missing:
            return Mistake(at, f"missing: {', '.join(missing)}")
        found = (one(value[key], f"{at}/{key}") for key, one in keys.items() if key in value)
        return next(filter(None, found), None)

    return check


_TEXTS: Final = _optional(_list(_text))
_SELECTOR: Final = _object({"kind": _one_of(*_KINDS), "in": _TEXTS, "notIn": _TEXTS}, ("kind",))
_SELECTORS: Final = _object({"name": _text, "selectors": _list(_SELECTOR)}, ("name", "selectors"))
_EXEMPTION: Final[Mapping[str, Check]] = {
    "name": _short(NAME_LENGTH),
    "description": _optional(_text),
    "displayName": _optional(_short(DISPLAY_NAME_LENGTH)),
    "metadata": _optional(_object({})),
    "policyAssignmentId": _text,
    "exemptionCategory": _one_of("Mitigated", "Waiver"),
    "assignmentScopeValidation": _one_of("Default", "DoNotValidate"),
    "expiresOn": _optional(_text),
    "policyDefinitionReferenceIds": _TEXTS,
    "resourceSelectors": _optional(_list(_SELECTORS)),
}
_SCOPES: Final[Mapping[str, Check]] = dict.fromkeys(SCOPE_KEYS, _optional(_text))
