"""An exemption's id: its scope, its name, and the container that its rows are kept under. Pure."""

import hashlib
from enum import StrEnum
from functools import lru_cache
from typing import Final

from guardrails.dataclass import dataclass
from guardrails.exemption.ids import folded, resource_id
from guardrails.exemption.json_values import refuse

TYPE: Final = "Microsoft.Authorization/policyExemptions"

_TYPE_PATH: Final = "/providers/microsoft.authorization/policyexemptions/"

_MG_PATH: Final = "/providers/microsoft.management/managementgroups/"

_SUB_PATH: Final = "/subscriptions/"


class ScopeKind(StrEnum):
    """The four levels at which an exemption can be attached."""

    MANAGEMENT_GROUP = "management group"
    SUBSCRIPTION = "subscription"
    RESOURCE_GROUP = "resource group"
    RESOURCE = "resource"


_MANAGEMENT_GROUP, _SUBSCRIPTION, _RESOURCE_GROUP, _RESOURCE = ScopeKind


@dataclass(frozen=True, slots=True)
class ExemptionId:
    """A policy exemption's resource id. Equal and hashed by `key`, for Azure's ids ignore case.

    Attributes:
        text: the id in its one spelling, its casing as given: what Azure is asked for.
        key: `text` in lower case, by guardrails.exemption.ids.folded.
        scope: the target scope: the part before the *last* /providers/Microsoft.Authorization/policyExemptions/.
        name: the exemption's own name.
        kind: the level of the scope.
        container: the register's partition: the subscription id in lower case, or `mg~name` for a management group.
    """

    text: str
    key: str
    scope: str
    name: str
    kind: ScopeKind
    container: str

    @classmethod
    def parse(cls, text: object) -> "ExemptionId":
        """Read an id in any casing, with or without its leading slash; guardrails.exemption.ids has the one spelling.

        Raises Permanent (not-an-exemption) where it names no exemption, or not one alone.
        """
        return _kept(text if isinstance(text, str) else "")

    @classmethod
    def parse_once(cls, text: str) -> "ExemptionId":
        """Do the same for one of thousands, none of which is soon read again: it is not kept."""
        return _parsed(text)

    @property
    def hash(self) -> bytes:
        """A short name (20 bytes of sha256) that is the same for every casing of the id."""
        return _hash_of(self.key)

    @property
    def subscription(self) -> str | None:
        """The subscription id in lower case; None at a management group."""
        return None if self.kind is ScopeKind.MANAGEMENT_GROUP else self.container

    @property
    def resource_group(self) -> str | None:
        """The resource group's name as written; None where the scope is in none."""
        parts = self.scope.split("/")
        return parts[4] if len(parts) > 4 and parts[3].lower() == "resourcegroups" else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ExemptionId) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        return self.text


def _parsed(text: str) -> ExemptionId:
    if not text.strip("/ "):
        raise refuse("the exemption has no id")
    try:
        spelled = resource_id(text)
    except ValueError as error:
        raise refuse(f"the id cannot name one exemption: {error}", text) from None
    key = folded(spelled)
    at = key.rfind(_TYPE_PATH)
    if at < 0:
        raise refuse(f"the id does not name a {TYPE}", spelled)
    scope, name = spelled[:at], spelled[at + len(_TYPE_PATH) :]
    if not name or "/" in name:
        raise refuse("the id does not end in one exemption name", spelled)
    kind, container = _scope_of(key[:at], spelled)
    return ExemptionId(spelled, key, scope, name, kind, container)


_kept: Final = lru_cache(maxsize=2048)(_parsed)
"""An exemption that is looked at is named by events, Azure, its row and its history."""


@lru_cache(maxsize=2048)
def _hash_of(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "backslashreplace")).digest()[:20]


def _scope_of(scope: str, text: str) -> tuple[ScopeKind, str]:
    """Return the level and the register partition of a lower-cased scope. `text`: the id that it is of, or itself."""
    if (found := _level_of(scope)) is None:
        raise refuse(
            "the scope in the id is not a management group, subscription, resource group or resource",
            text,
            "Scopes start with /providers/Microsoft.Management/managementGroups/ or /subscriptions/.",
        )
    return found


@lru_cache(maxsize=1024)
def _level_of(scope: str) -> tuple[ScopeKind, str] | None:
    """Return the same; None where it is no scope. Kept, for many exemptions are at one scope."""
    if scope.startswith(_MG_PATH):
        name = scope[len(_MG_PATH) :]
        if name and "/" not in name:
            return _MANAGEMENT_GROUP, "mg~" + name
    elif scope.startswith(_SUB_PATH):
        parts = scope.split("/")
        subscription, depth = parts[2], len(parts)
        if subscription and subscription != "managementgroups" and "//" not in scope and scope[-1] != "/":
            if depth == 3:
                return _SUBSCRIPTION, subscription
            inside = 5 if parts[3] == "resourcegroups" else 3
            if depth == inside:
                return _RESOURCE_GROUP, subscription
            if depth >= inside + 4 and parts[inside] == "providers" and (depth - inside) % 2 == 0:
                return _RESOURCE, subscription  # provider, then type and name in pairs, however deep
    return None


def scope_kind(scope: str) -> ScopeKind:
    """Return the level of a scope id. Raises Permanent (not-an-exemption) when it is none of the four."""
    return _scope_of("/" + scope.strip("/").lower(), scope)[0]


def scope_container(scope: str) -> str:
    """Return what ExemptionId.container is for exemptions at a scope. Raises Permanent (not-an-exemption)."""
    return _scope_of(folded("/" + scope.strip("/")), scope)[1]
