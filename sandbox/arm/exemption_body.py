"""What ARM accepts as the body of a policy exemption, and what it makes of it.

Sources: the specification of Microsoft.Authorization/policyExemptions (2020-07-01-preview to 2026-01-01-preview),
exemption-structure.md (lengths), the .NET SDK's live tests (error codes). Where no public answer shows the code of a
refusal, InvalidCreatePolicyExemptionRequest is used.
"""

import re
from datetime import UTC, datetime
from typing import Any

from sandbox.arm import versions
from sandbox.arm.errors import ArmError, bad_content
from sandbox.arm.store import Entry, Json, Store
from sandbox.arm.target import SET_DEFINITIONS, Target

# Each api-version and the level of fields that it knows.
LEVELS = {
    "2020-07-01-preview": 0,
    "2022-07-01-preview": 1,
    "2024-12-01-preview": 1,
    "2025-12-01-preview": 2,
    "2026-01-01-preview": 2,
}
# Each property, the first level that knows it, and its JSON type, in the order in which ARM writes them.
FIELDS: dict[str, tuple[int, type]] = {
    "policyAssignmentId": (0, str),
    "policyDefinitionReferenceIds": (0, list),
    "exemptionCategory": (0, str),
    "displayName": (0, str),
    "description": (0, str),
    "expiresOn": (0, str),
    "resourceSelectors": (1, list),
    "assignmentScopeValidation": (1, str),
    "exemptionManagementMode": (2, str),
    "metadata": (0, dict),
}
PATCHABLE = ("resourceSelectors", "assignmentScopeValidation", "exemptionManagementMode")
MAX_DISPLAY_NAME = 128
MAX_DESCRIPTION = 512
_NAME = re.compile(r"[^<>*%&:\\?+/\x00-\x1f\x7f]{1,64}")
PRINCIPALS = frozenset({"userprincipalid", "groupprincipalid"})
_SELECTOR_KINDS = PRINCIPALS | {
    "resourcelocation", "resourcetype", "resourcewithoutlocation", "policydefinitionreferenceid",
}  # fmt: skip
_CHOICES = {
    "exemptionCategory": ("Waiver", "Mitigated"),
    "assignmentScopeValidation": ("Default", "DoNotValidate"),
    "exemptionManagementMode": ("Admin", "UserSelfServe"),
}


def invalid(name: str, why: str, code: str = "InvalidCreatePolicyExemptionRequest") -> ArmError:
    """Make the 400 of an exemption that ARM refuses."""
    return ArmError(400, code, f"The policy exemption '{name}' create request is invalid. {why}")


def check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or name[-1] in " .":
        why = "The name must have 1 to 64 characters, none of '<>*%&:\\?+/', and no period or space at its end."
        raise invalid(name, why, "InvalidPolicyExemptionName")


def read_properties(name: str, body: Any, level: int) -> Json:
    """Read the properties of a PUT or PATCH that the api-version's level knows, normalised. Raises ArmError 400."""
    sent = body.get("properties") if isinstance(body, dict) else None
    if not isinstance(sent, dict):
        raise bad_content("Required property 'properties' not found in JSON. Path ''")
    lowered: Json = {key.lower(): value for key, value in sent.items()}
    kept: Json = {}
    for field, (since, kind) in FIELDS.items():
        value = lowered.get(field.lower())
        if level < since or value is None or (field == "expiresOn" and value == ""):
            continue
        if not isinstance(value, kind):
            raise bad_content(f"Error converting value to the type of '{field}'. Path 'properties.{field}'")
        kept[field] = utc_date(str(value)) if field == "expiresOn" else value
    _check_shapes(name, kept)
    return kept


def _check_shapes(name: str, kept: Json) -> None:
    for field, choices in _CHOICES.items():
        if field in kept and kept[field].lower() not in {choice.lower() for choice in choices}:
            raise invalid(name, f"The {field} '{kept[field]}' is not one of {', '.join(choices)}.")
    for field, longest in (("displayName", MAX_DISPLAY_NAME), ("description", MAX_DESCRIPTION)):
        if len(kept.get(field, "")) > longest:
            raise invalid(name, f"The {field} must not have more than {longest} characters.")
    if not all(isinstance(one, str) for one in kept.get("policyDefinitionReferenceIds", [])):
        raise bad_content("Error converting value to a string. Path 'properties.policyDefinitionReferenceIds'")
    for selector in kept.get("resourceSelectors", []):
        _check_selector(name, selector)


def _check_selector(name: str, selector: Any) -> None:
    inner = selector.get("selectors", []) if isinstance(selector, dict) else None
    if not isinstance(inner, list) or not all(isinstance(one, dict) for one in inner):
        raise bad_content("Error converting value to a resource selector. Path 'properties.resourceSelectors'")
    for one in inner:
        if str(one.get("kind", "")).lower() not in _SELECTOR_KINDS:
            raise invalid(name, f"The selector kind '{one.get('kind')}' is not known.")
        if ("in" in one) == ("notIn" in one):
            raise invalid(name, "A selector has either 'in' or 'notIn'.")


def utc_date(text: str) -> str:
    """Write a date as ARM returns it: UTC, no trailing zeros in the fraction, `Z`. Raises ArmError 400."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise bad_content(f"Could not convert string to DateTime: {text}. Path 'properties.expiresOn'") from None
    fraction = re.search(r"\.(\d{1,7})", text)
    digits = fraction[1].rstrip("0") if fraction else ""
    # isoformat pads the year to four digits, which strftime does not on every platform.
    return moment.replace(microsecond=0, tzinfo=None).isoformat() + (f".{digits}" if digits else "") + "Z"


def find_assignment(store: Store, identity: str) -> Entry | None:
    """Return the assignment with this id, however it is cased or closed."""
    return store.get("/" + identity.strip("/").lower())


def check_assignment(store: Store, target: Target, properties: Json) -> None:
    """Check the assignment that an exemption names, its scope, and the reference ids. Raises ArmError 400."""
    name, identity = target.name, properties["policyAssignmentId"]
    if properties.get("assignmentScopeValidation", "").lower() == "donotvalidate":
        return
    assignment = find_assignment(store, identity)
    if assignment is None:
        raise invalid(name, f"The policy assignment '{identity}' could not be found.")
    scope_key = assignment.target.scope_key
    if not store.is_below(target.scope_key, scope_key):
        raise invalid(name, f"The scope '{target.scope}' is not at or under the scope of the assignment '{identity}'.")
    wanted = properties.get("policyDefinitionReferenceIds")
    if wanted:
        _check_references(store, name, assignment, wanted)


def _check_references(store: Store, name: str, assignment: Entry, wanted: list[str]) -> None:
    code = "InvalidPolicyDefinitionReference"
    definition, pin = versions.assigned(store, assignment.body.get("properties") or {})
    if definition is None or definition.target.type_key != SET_DEFINITIONS:
        why = (
            "The associated policy assignment is an assignment of a policy definition. The policy definition reference "
            "is only valid for policy assignments of policy set definitions."
        )
        raise invalid(name, why, code)
    number = versions.chosen(store, definition, pin)
    members = versions.members(store, definition, number)
    known = {str(member.get("policyDefinitionReferenceId", "")).lower() for member in members}
    unknown = [one for one in wanted if one.lower() not in known]
    if unknown:
        listed = ", ".join(unknown)
        why = f"The policy definition reference '{listed}' is not part of '{definition.target.id}', version '{number}'."
        raise invalid(name, why, code)
