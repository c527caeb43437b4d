"""An exemption of which some values are not known: a rule that asks for one of these is Unknown, with its reason. Pure.

The reason goes from the evaluation to the rule's answer as it is: it names the place and the option that would help.
"""

from collections.abc import Mapping
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, NamedTuple

from guardrails.dataclass import fields
from guardrails.evaluation.values import Unknown, Value, first_unknown, unknowns
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.json_values import kind_of
from guardrails.exemption.model import Exemption, Names, NotReturned, refuse
from guardrails.exemption.sources import ARM, SYSTEM

_STAND_IN: Final = ExemptionId.parse(
    "/subscriptions/00000000-0000-0000-0000-000000000000/providers/Microsoft.Authorization/policyExemptions/unknown"
)
"""In place of an id that is not known; no rule sees it."""

_ASKED: Final[Mapping[str, tuple[str, ...]]] = {
    "policyAssignmentId": ("assignment_id",),
    "policyDefinitionReferenceIds": ("reference_ids",),
    "exemptionCategory": ("category",),
    "expiresOn": ("expires_on", "expiry_problem"),
    "displayName": ("display_name",),
    "description": ("description",),
    "metadata": ("metadata", "said", "owner", "ticket"),
    "resourceSelectors": ("selectors",),
    "assignmentScopeValidation": ("scope_validation",),
    "exemptionManagementMode": ("management_mode",),
}
"""A property, as ARM spells it -> what of Exemption it is."""

PROPERTIES: Final = tuple(_ASKED)
_FOLDED: Final = {name.lower(): name for name in PROPERTIES}

_fields_of: Final = attrgetter(*(one.name for one in fields(Exemption)))
_NO_SYSTEM: Final = frozenset({SYSTEM})
_MARK: Final = "\0"
"""In place of a text in metadata that is not known."""


class _Partial(Exemption):
    """An exemption that raises NotReturned where a field is asked for that is not known."""

    __slots__ = ("_reasons",)
    _reasons: Mapping[str, str]

    def __getattribute__(self, name: str) -> Any:
        if name[:1] != "_" and (reason := object.__getattribute__(self, "_reasons").get(name)):
            raise NotReturned(reason)
        return object.__getattribute__(self, name)


class _Said(dict[str, str]):
    """What metadata say, by role; to ask for a role that may be said raises NotReturned."""

    def __init__(self, said: Mapping[str, str], reasons: Mapping[str, str]) -> None:
        super().__init__(said)
        self._reasons = reasons

    def get(self, key: str, default: Any = None) -> Any:
        self._ask(key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> str:
        self._ask(key)
        return super().__getitem__(key)

    def _ask(self, role: str) -> None:
        if reason := self._reasons.get(role):
            raise NotReturned(reason)


class Seen(NamedTuple):
    """An exemption for the rules, and what is wrong with its properties.

    Attributes:
        exemption: reads as any other; where a value is not known, it raises NotReturned.
        absent: properties that must be there and are not.
        strange: properties that Azure does not have.
        plain: whether all of it is known.
    """

    exemption: Exemption
    absent: tuple[str, ...]
    strange: tuple[str, ...]
    plain: bool = False


def seen(exemption_id: Value, properties: Value, names: Names, *, certain: bool = False) -> Seen:
    """Return an exemption as far as its values are known.

    Args:
        exemption_id: a text, or Unknown.
        properties: an object in which any value may be Unknown; or Unknown.
        certain: all of it is known; False where nobody has looked.

    Raises Permanent (not-an-exemption) for an id that no exemption can have, or values of a wrong kind.
    """
    if isinstance(exemption_id, str) and isinstance(properties, dict) and _is_plain(properties, certain=certain):
        return Seen(_read(ExemptionId.parse_once(exemption_id), properties, names), (), (), plain=True)
    reasons: dict[str, str] = {}
    if isinstance(properties, Unknown):
        reasons.update({field: properties.reason for fields_of in _ASKED.values() for field in fields_of})
        properties = {}
    elif properties and not isinstance(properties, dict):
        subject = exemption_id if isinstance(exemption_id, str) else ""
        raise refuse(f"properties is {kind_of(properties)}, not a JSON object", subject)
    spelled = {_FOLDED.get(str(key).lower(), str(key)): value for key, value in (properties or {}).items()}
    strange = tuple(name for name in spelled if name not in _ASKED)
    known = {}
    for name, value in spelled.items():
        found = first_unknown(value)
        if found is None:
            known[name] = value
        elif name == "metadata" and isinstance(value, dict):
            known[name] = {key: _marked(item) for key, item in value.items()}
        elif name in _ASKED:
            reasons.update(dict.fromkeys(_ASKED[name], found.reason))
    absent = []
    for name in ("policyAssignmentId", "exemptionCategory"):
        if known.get(name) in (None, "") and _ASKED[name][0] not in reasons:
            absent.append(name)
            reasons[_ASKED[name][0]] = f"{name} is missing"
            known[name] = None
    if isinstance(exemption_id, Unknown):
        reasons["id"] = exemption_id.reason
        parsed = _STAND_IN
    else:
        parsed = ExemptionId.parse(exemption_id)
    known["policyAssignmentId"] = known.get("policyAssignmentId") or _STAND_IN.scope
    exemption = _read(parsed, known, names)
    metadata = spelled.get("metadata")
    if isinstance(metadata, dict) and (found := first_unknown(metadata)) is not None:
        roles = {role: _reason_of(role, metadata, names) for role, text in exemption.said.items() if _MARK in text}
        exemption.said = _Said({role: text for role, text in exemption.said.items() if role not in roles}, roles)
        reasons["metadata"] = found.reason
        reasons |= {role: reason for role, reason in roles.items() if role in ("owner", "ticket")}
    return Seen(_partial(exemption, reasons) if reasons else exemption, tuple(absent), strange)


def _is_plain(properties: Mapping[str, Value], *, certain: bool) -> bool:
    """Whether all of it is known, in ARM's spelling, and nothing that must be there is missing: as most are. Quick."""
    if not _ASKED.keys() >= properties.keys() or not (certain or first_unknown(properties) is None):
        return False
    return bool(properties.get("policyAssignmentId")) and bool(properties.get("exemptionCategory"))


def _read(identity: ExemptionId, properties: Mapping[str, Value], names: Names) -> Exemption:
    body = {"id": identity.text, "name": identity.name, "properties": properties}
    exemption = Exemption.from_arm(body, names, ARM, identity)
    exemption.not_returned = _NO_SYSTEM
    return exemption


def _marked(value: Value) -> Value:
    """Return a value of metadata with a mark in place of what is not known."""
    if isinstance(value, Unknown):
        return _MARK
    if isinstance(value, list):
        return [_marked(item) for item in value]
    return value


def _reason_of(role: str, metadata: Mapping[str, Value], names: Names) -> str:
    """Return why nobody knows what metadata say of a role, which the value of one key decides."""
    found = {key: unknown for key, item in metadata.items() for _, unknown in unknowns(item)}
    key = names.key_of(role, dict.fromkeys(found, _MARK))
    return (found.get(key) or next(iter(found.values()))).reason


def comparable(exemption: Exemption, written: datetime) -> Exemption:
    """Return what of an exemption is compared with others: all but its metadata. `written`: when, in their order."""
    if type(exemption) is Exemption:
        made = Exemption(*_fields_of(exemption))
    else:  # a field that is not known is copied as one
        made = object.__new__(Exemption)
        for field in fields(Exemption):
            object.__setattr__(made, field.name, object.__getattribute__(exemption, field.name))
    made.metadata = made.said = {}
    made._system = {"createdAt": written, "lastModifiedAt": written}
    return made


def _partial(exemption: Exemption, reasons: Mapping[str, str]) -> Exemption:
    made = object.__new__(_Partial)
    for field in fields(Exemption):
        object.__setattr__(made, field.name, getattr(exemption, field.name))
    object.__setattr__(made, "_reasons", reasons)
    return made
