"""Ids and names of the resources of a template: at which scope, on which resource. Pure."""

import re
from typing import Final

from guardrails.dataclass import dataclass
from guardrails.evaluation.frames import Handle, TenantScope
from guardrails.evaluation.functions.base import kind, unsure
from guardrails.evaluation.functions.ids import id_at, is_guid, management_group_of, typed_path
from guardrails.evaluation.template import Resource
from guardrails.evaluation.values import NOWHERE, EngineError, Place, Unknown, Value
from guardrails.lazy_regex import lazy_regex

_AT_TENANT: Final = frozenset({"microsoft.management/managementgroups", "microsoft.subscription/aliases"})
_GROUPS: Final = "microsoft.resources/resourcegroups"
_EXEMPTION: Final = "Microsoft.Authorization/policyExemptions"
_EXEMPTION_TYPE: Final = _EXEMPTION.lower()
_EXEMPTIONS: Final = ("microsoft.authorization", "policyexemptions")
_BEHIND_SCOPE: Final = f"/providers/{_EXEMPTION}"
_SCOPE: Final = lazy_regex(r"(.*?)/providers/Microsoft\.Authorization/policyExemptions/[^/]+", re.I)


@dataclass(slots=True, eq=False, repr=False)
class Identity:
    """What a resource is called. Each part may be Unknown.

    Attributes:
        type: the whole type, with its parents'.
        name: the whole name, with its parents': `account/Microsoft.Authorization/name`.
        last: the name as the resource itself writes it.
        id: its id.
    """

    type: Value
    name: Value
    last: Value
    id: Value


def is_exemption(type_: str, name: Value) -> bool:
    """Whether a whole type is that of a policy exemption, in either style.

    `name`: the whole name. The old style has the provider in it; where that is not known, the type decides.
    """
    if type_ == _EXEMPTION:
        return True
    provider, *types = type_.lower().split("/")
    if (provider, *types) == _EXEMPTIONS:
        return True
    if types[-2:] != ["providers", "policyexemptions"]:
        return False
    return not isinstance(name, str) or "/microsoft.authorization/" in f"/{name.lower()}"


def scope_of(id_: Value) -> Value:
    """Return the id of the scope that an exemption is on; `/` for the tenant."""
    if not isinstance(id_, str):
        return id_
    above, _, name = id_.rpartition("/")
    if name and "\n" not in id_ and above.endswith(_BEHIND_SCOPE):
        return above.removesuffix(_BEHIND_SCOPE) or "/"
    found = _SCOPE.fullmatch(id_)
    return (found[1] or "/") if found else unsure("the scope of this id")


def identify(
    resource: Resource,
    scope: Value,
    type_: Value,
    last: Value,
    parent: Identity | None = None,
    *,
    outside: bool = False,
    deployed: bool = True,
) -> Identity:
    """Return what a resource is called. Raises EngineError where a type and name do not fit.

    Args:
        resource: the resource.
        scope: the id of what it is on, Unknown where that is not known.
        type_, last: the values of its type and its name; None where it has no name.
        parent: of the resource that it is a child of, if any.
        outside: it is written in a nested template, and is computed outside of it.
        deployed: it is asked for its deployment; otherwise for what an expression says of it, deployed or not.
    """
    if last is None:
        last = Unknown("it has no name", resource.place)
    if outside and isinstance(last, str) and last[:1] == "[" and last[-1:] == "]":
        last = Unknown("Azure computes this name in brackets once more, in the nested template", resource.place)
    if not isinstance(last, str | Unknown):
        if isinstance(last, int | float):
            last = unsure("a name that is no text")
        else:
            raise EngineError(f"the name is {kind(last)}, not a text", resource.place)
    name = last
    if parent is not None:
        name = _joined(parent.name, last)
        if resource.enclosing is not None:
            type_ = _joined(parent.type, type_)
    return Identity(type_, name, last, _id(scope, type_, name, resource.place, deployed=deployed))


def _joined(one: Value, other: Value) -> Value:
    if isinstance(one, str) and isinstance(other, str):
        return f"{one}/{other}"
    return one if isinstance(one, Unknown) else other


def _id(scope: Value, type_: Value, name: Value, place: Place, *, deployed: bool) -> Value:
    for part in (type_, name):
        if not isinstance(part, str):
            return part if isinstance(part, Unknown) else unsure("such a type")
    segments, folded = name.split("/"), type_.lower()
    if folded == _EXEMPTION_TYPE and len(segments) == 1 and name and isinstance(scope, str):
        return id_at(scope, f"{type_}/{name}")  # as most are
    if len(segments) != type_.count("/"):
        raise EngineError(
            f"the name {name[:80]!r} does not have one part for each part of the type {type_[:80]!r}", place
        )
    if not all(segments):
        if not deployed:
            return unsure("an id with an empty name")
        raise EngineError(f"the name {name[:80]!r} has an empty part", place)
    if folded in _AT_TENANT:
        return id_at("/", typed_path(type_, segments))
    if isinstance(scope, Unknown):
        return scope
    if folded == _GROUPS:
        return f"{scope.rstrip('/')}/resourceGroups/{name}"
    return id_at(scope, typed_path(type_, segments))


def scope_id(given: Value, own: Value, place: Place, *, of_deployment: bool = False) -> Value:
    """Return the id that a `scope` property means.

    Args:
        given: its value: an id, relative or whole, a scope's object, or a resource.
        own: the id that the template is deployed to.
        place: of the property.
        of_deployment: it is the property of a nested deployment, which may go to any management group.
    """
    if isinstance(given, Handle):
        given = given.member("id", place)
    if isinstance(given, TenantScope):
        return "/"
    if isinstance(given, dict):
        given = given.get("id", unsure("such a scope"))
    if isinstance(given, Unknown):
        return given
    if not isinstance(given, str):
        raise EngineError(f"the scope is {kind(given)}, not a text", place)
    if given.startswith("/"):
        return _whole(given)
    if isinstance(own, Unknown):
        return own
    segments = given.split("/")
    if len(segments) < 3 or len(segments) % 2 == 0 or not all(segments) or "." not in segments[0]:
        return unsure("such a scope")
    if segments[0].lower() == "microsoft.management":
        above = of_deployment or own == "/" or management_group_of(own) is not None
        return f"/providers/{given}" if above else unsure("the scope of a management group from here")
    if f"{segments[0]}/{segments[1]}".lower() in (_GROUPS, "microsoft.resources/subscriptions"):
        return unsure("such a scope")
    return f"{own.rstrip('/')}/providers/{given}"


def _whole(given: str) -> Value:
    trimmed = given.rstrip("/")
    if "//" in trimmed:
        return unsure("such a scope")
    return trimmed or "/"


def target(own: Value, scope: Value, subscription: Value, group: Value, place: Place = NOWHERE) -> Value:
    """Return the id that a nested deployment goes to.

    Args:
        own: where the template around it is deployed to.
        scope, subscription, group: its `scope`, `subscriptionId` and `resourceGroup`; None where it has none.
        place: of the nested deployment.
    """
    for part in (scope, subscription, group):
        if isinstance(part, Unknown):
            return part
    if scope is not None:
        return scope_id(scope, own, place, of_deployment=True)
    if not all(isinstance(part, str | None) for part in (subscription, group)):
        raise EngineError("subscriptionId and resourceGroup of a nested deployment are texts", place)
    if subscription is None and group is None:
        return own
    if subscription is None:
        if isinstance(own, Unknown):
            return own
        found = re.match(r"/subscriptions/[^/]+", own)
        if not found:
            return unsure("a resource group of a deployment outside of a subscription")
        return f"{found[0]}/resourceGroups/{group}"
    if not is_guid(subscription):
        return unsure("a subscription that is no GUID")
    return f"/subscriptions/{subscription}" + (f"/resourceGroups/{group}" if group is not None else "")
