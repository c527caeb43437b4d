"""Functions that read the deployment: its scope, time and name, resource ids at its scope, and Azure. Pure."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from guardrails.dataclass import dataclass
from guardrails.evaluation.frames import Env, Frame, Handle, TenantScope
from guardrails.evaluation.functions.base import MANY, unsure
from guardrails.evaluation.functions.dates import UTC_NOW_DEFAULT, utc_now
from guardrails.evaluation.functions.ids import (
    group_of,
    id_at,
    is_guid,
    management_group_of,
    split_arguments,
    subscription_of,
    typed_path,
)
from guardrails.evaluation.template import Language, ScopeKind
from guardrails.evaluation.values import (
    NOWHERE,
    Cause,
    EngineError,
    Mark,
    MarkedText,
    Partial,
    Place,
    Unknown,
    Value,
    first_unknown,
)

if TYPE_CHECKING:
    from guardrails.evaluation.evaluate import Evaluator

_GROUPS: Final = "microsoft.resources/resourcegroups"

type _Compute = Callable[["Evaluator", Env, list[Value], Place], Value]


@dataclass(frozen=True, slots=True)
class DeploymentFunction:
    """A function that reads the deployment. `compute` gets the evaluator, the environment, the arguments, the place."""

    name: str
    least: int
    most: int
    compute: _Compute


DEPLOYMENT: Final[dict[str, DeploymentFunction]] = {}
"""These functions by name in lower case."""


def _reads(name: str, least: int, most: int | None = None) -> Callable[[_Compute], _Compute]:
    def declare(compute: _Compute) -> _Compute:
        DEPLOYMENT[name.lower()] = DeploymentFunction(name, least, least if most is None else most, compute)
        return compute

    return declare


def _only_azure(name: str, least: int, most: int) -> None:
    @_reads(name, least, most)
    def _compute(_evaluator: "Evaluator", _env: Env, _values: list[Value], place: Place) -> Value:
        return Unknown(f"{name}() asks Azure", place)


for _name, _least, _most in (
    ("environment", 0, 0), ("deployer", 0, 0), ("providers", 1, 2), ("pickZones", 3, 5), ("references", 1, 2),
    ("roleDefinitions", 1, 1), ("toLogicalZone", 3, 3), ("toLogicalZones", 3, 3), ("toPhysicalZone", 3, 3),
    ("toPhysicalZones", 3, 3), ("getSecret", 2, 5), ("externalInput", 1, 2), ("externalInputs", 1, 1),
):  # fmt: skip
    _only_azure(_name, _least, _most)


def _texts(values: list[Value]) -> list[str] | Unknown:
    if (unknown := first_unknown(values)) is not None:
        return unknown
    if any(isinstance(value, Handle) for value in values):
        return unsure("a resource as an argument")
    return values if all(isinstance(value, str) for value in values) else unsure("an argument that is no text")


# the time, and what differs in each run


@_reads("utcNow", 0, 1)
def _utc_now(evaluator: "Evaluator", env: Env, values: list[Value], place: Place) -> Value:
    _only_in_default(env, "utcNow", place)
    pattern = _texts(values)
    if isinstance(pattern, Unknown):
        return pattern
    evaluator.marked = True
    marks = frozenset({Mark(Cause.NOW, place)})
    if evaluator.world.now is None:
        return Unknown("the time of the deployment is known only when it runs; --now sets it", place, marks)
    found = utc_now(evaluator.world.now, pattern[0] if pattern else UTC_NOW_DEFAULT)
    return evaluator.with_marks(found, marks)


@_reads("newGuid", 0)
def _new_guid(evaluator: "Evaluator", env: Env, _values: list[Value], place: Place) -> Value:
    _only_in_default(env, "newGuid", place)
    evaluator.marked = True
    return Unknown("newGuid() gives another value in each run", place, frozenset({Mark(Cause.NEW_GUID, place)}))


def _only_in_default(env: Env, name: str, place: Place) -> None:
    if not env.default:
        raise EngineError(f"{name}() is allowed only in the default value of a parameter", place)


@_reads("deployment", 0)
def _deployment(evaluator: "Evaluator", env: Env, _values: list[Value], place: Place) -> Value:
    evaluator.marked = True
    marks = frozenset({Mark(Cause.DEPLOYMENT_NAME, place)})
    name = env.frame.name
    named = MarkedText(name, marks) if isinstance(name, str) else Unknown(name.reason, place, name.marks | marks)
    known: dict[str, Value] = {"name": named}
    if not isinstance(env.frame.scope, Unknown) and group_of(env.frame.scope) is None:
        known["location"] = env.frame.location
    return Partial(known, Unknown("the properties of deployment(), except its name, are known only in Azure", place))


# scopes


def _named(env: Env, name: str, values: list[Value], place: Place) -> list[str] | Unknown:
    """Return the arguments of a scope function, which names another scope in Bicep alone. Raises EngineError."""
    if values and env.frame.template.language == Language.ARM:
        raise EngineError(f"{name}() takes no arguments", place)
    return _texts(values)


def _object(evaluator: "Evaluator", id_: str, known: dict[str, Value], what: str, place: Place) -> Partial:
    """Return a scope as an object: what is known of it, and what --azure says."""
    given = evaluator.world.objects.get(id_.lower(), {})
    rest = Unknown(f"the properties of {what}, except its ids, are known only in Azure", place)
    for name in ("location", "tags", "displayName"):
        if name in given and isinstance(known.get(name), Unknown | None):
            known[name] = given[name]
    return Partial(known, rest)


@_reads("subscription", 0, 1)
def _subscription(evaluator: "Evaluator", env: Env, values: list[Value], place: Place) -> Value:
    texts = _named(env, "subscription", values, place)
    if isinstance(texts, Unknown):
        return texts
    id_ = texts[0] if texts else _own_subscription(env.frame, place)
    if isinstance(id_, Unknown):
        return id_
    return _object(
        evaluator,
        f"/subscriptions/{id_}",
        {"id": f"/subscriptions/{id_}", "subscriptionId": id_, "tenantId": _tenant(evaluator, place)},
        "subscription()",
        place,
    )


def _own_subscription(frame: Frame, place: Place) -> str | Unknown:
    if isinstance(frame.scope, Unknown):
        return frame.scope
    found = subscription_of(frame.scope)
    if found is None:
        raise EngineError("subscription() is not available where this template is deployed to", place)
    return found


@_reads("resourceGroup", 0, 2)
def _resource_group(evaluator: "Evaluator", env: Env, values: list[Value], place: Place) -> Value:
    texts = _named(env, "resourceGroup", values, place)
    if isinstance(texts, Unknown):
        return texts
    subscription = texts[0] if len(texts) == 2 else _own_subscription(env.frame, place)
    if isinstance(subscription, Unknown):
        return subscription
    name = texts[-1] if texts else _own_group(env.frame, place)
    location: Value = env.frame.location
    if texts:
        location = Unknown("the location of another resource group is known only in Azure", place)
    id_ = f"/subscriptions/{subscription}/resourceGroups/{name}"
    known = {"id": id_, "name": name, "type": "Microsoft.Resources/resourceGroups", "location": location}
    return _object(evaluator, id_, known, "resourceGroup()", place)


def _own_group(frame: Frame, place: Place) -> str:
    found = group_of(str(frame.scope))
    if found is None:
        raise EngineError("resourceGroup() is not available where this template is deployed to", place)
    return found


@_reads("managementGroup", 0, 1)
def _management_group(evaluator: "Evaluator", env: Env, values: list[Value], place: Place) -> Value:
    texts = _named(env, "managementGroup", values, place)
    if isinstance(texts, Unknown):
        return texts
    name = texts[0] if texts else _own_management_group(env.frame, place)
    if isinstance(name, Unknown):
        return name
    id_ = f"/providers/Microsoft.Management/managementGroups/{name}"
    known: dict[str, Value] = {"id": id_, "name": name, "type": "Microsoft.Management/managementGroups"}
    return _object(evaluator, id_, known, "managementGroup()", place)


def _own_management_group(frame: Frame, place: Place) -> str | Unknown:
    if isinstance(frame.scope, Unknown):
        return frame.scope
    found = management_group_of(frame.scope)
    if found is None:
        raise EngineError("managementGroup() is not available where this template is deployed to", place)
    return found


@_reads("tenant", 0)
def _tenant_function(evaluator: "Evaluator", _env: Env, _values: list[Value], place: Place) -> Value:
    rest = Unknown("the properties of tenant(), except its ids, are known only in Azure", place)
    tenant = _tenant(evaluator, place)
    id_ = tenant if isinstance(tenant, Unknown) else f"/tenants/{tenant}"
    return TenantScope({"tenantId": tenant, "id": id_}, rest)


def _tenant(evaluator: "Evaluator", place: Place) -> Value:
    tenant = evaluator.world.tenant
    return Unknown("the tenant is not given; give its id with --tenant", place) if tenant is None else tenant


# resource ids


@_reads("resourceId", 2, MANY)
def _resource_id(_evaluator: "Evaluator", env: Env, values: list[Value], _place: Place) -> Value:
    texts = _texts(values)
    parts = texts if isinstance(texts, Unknown) else split_arguments(values, 2, "resourceId")
    if isinstance(parts, Unknown):
        return parts
    before, type_, names = parts
    path = typed_path(type_, names)
    if type_.lower() == _GROUPS:
        return unsure("resourceId() of a resource group")
    if before:
        return _elsewhere(env.frame, before, path)
    scope = env.frame.scope
    if isinstance(scope, Unknown):
        return scope
    return id_at(scope if subscription_of(scope) is not None else "/", path)


def _elsewhere(frame: Frame, before: list[str], path: str) -> Value:
    """Return an id in another group or subscription. What may come before the type depends on the scope."""
    scope = frame.scope
    in_group = frame.template.scope == ScopeKind.RESOURCE_GROUP if isinstance(scope, Unknown) else bool(group_of(scope))
    subscription = before[0] if len(before) == 2 or not in_group else _own_subscription(frame, NOWHERE)
    if isinstance(subscription, Unknown):
        return subscription
    if not is_guid(subscription):
        return unsure("resourceId() with a subscription that is no GUID")
    if in_group and not is_guid(before[-1]):
        return id_at(f"/subscriptions/{subscription}/resourceGroups/{before[-1]}", path)
    if len(before) == 1 and not in_group and isinstance(scope, str) and subscription_of(scope) is not None:
        return id_at(f"/subscriptions/{subscription}", path)
    return unsure("resourceId() with these arguments at this scope")


@_reads("subscriptionResourceId", 2, MANY)
def _subscription_resource_id(_evaluator: "Evaluator", env: Env, values: list[Value], place: Place) -> Value:
    texts = _texts(values)
    parts = texts if isinstance(texts, Unknown) else split_arguments(values, 1, "subscriptionResourceId")
    if isinstance(parts, Unknown):
        return parts
    before, type_, names = parts
    path = typed_path(type_, names)
    if before and not is_guid(before[0]):
        return unsure("subscriptionResourceId() with a subscription that is no GUID")
    subscription = before[0] if before else _own_subscription(env.frame, place)
    if isinstance(subscription, Unknown):
        return subscription
    if type_.lower() == _GROUPS:
        return f"/subscriptions/{subscription}/resourceGroups/{names[0]}"
    return id_at(f"/subscriptions/{subscription}", path)


@_reads("tenantResourceId", 2, MANY)
def _tenant_resource_id(_evaluator: "Evaluator", _env: Env, values: list[Value], _place: Place) -> Value:
    texts = _texts(values)
    parts = texts if isinstance(texts, Unknown) else split_arguments(values, 0, "tenantResourceId")
    return parts if isinstance(parts, Unknown) else id_at("/", typed_path(parts[1], parts[2]))


@_reads("managementGroupResourceId", 2, MANY)
def _management_group_resource_id(_evaluator: "Evaluator", env: Env, values: list[Value], place: Place) -> Value:
    texts = _texts(values)
    parts = texts if isinstance(texts, Unknown) else split_arguments(values, 1, "managementGroupResourceId")
    if isinstance(parts, Unknown):
        return parts
    before, type_, names = parts
    path = typed_path(type_, names)
    group = before[0] if before else _own_management_group(env.frame, place)
    if isinstance(group, Unknown):
        return group
    return id_at(f"/providers/Microsoft.Management/managementGroups/{group}", path)


@_reads("extensionResourceId", 3, MANY)
def _extension_resource_id(_evaluator: "Evaluator", _env: Env, values: list[Value], _place: Place) -> Value:
    texts = _texts(values)
    if isinstance(texts, Unknown):
        return texts
    base = texts[0]
    if not base:
        raise EngineError("extensionResourceId() needs the id of a resource")
    parts = split_arguments(texts[1:], 0, "extensionResourceId")
    if isinstance(parts, Unknown):
        return parts
    if not base.startswith("/") or not base.strip("/") or "//" in base or parts[1].lower() == _GROUPS:
        return unsure("extensionResourceId() on such an id")
    return id_at(base, typed_path(parts[1], parts[2]))


# resources


@_reads("reference", 1, 3)
def _reference(_evaluator: "Evaluator", env: Env, values: list[Value], place: Place) -> Value:
    return _resource(env, values, "reference", place)


@_reads("resourceInfo", 1, 1)
def _resource_info(_evaluator: "Evaluator", env: Env, values: list[Value], place: Place) -> Value:
    return _resource(env, values, "resourceInfo", place)


def _resource(env: Env, values: list[Value], name: str, place: Place) -> Value:
    """Return what a template says of one of its own resources; the rest is known only in Azure."""
    asked = Unknown(f"{name}() asks Azure", place)
    if not isinstance(values[0], str) or len(values) == 3 or env.frame.resources is None:
        return asked
    found = env.frame.resources.reference(values[0], name, place)
    return asked if found is None else found
