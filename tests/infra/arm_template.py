"""A small evaluator of ARM templates: what a deployment would make, without Azure.

It knows the functions that infra/onboarding/subscription.json uses (Microsoft Learn, "ARM template functions"), nested
deployments with an inner scope, conditions, and copies. An unknown function or name is an error.
"""

import hashlib
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|(\d+)|([A-Za-z_]\w*)|([(),.\[\]]))")


@dataclass(frozen=True)
class Deployed:
    """A resource that a deployment makes: `place` is the subscription, and the group if any, that it is in."""

    place: str
    body: dict[str, Any]


@dataclass
class Scope:
    """What the expressions of one template see."""

    subscription: str
    group: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    references: Mapping[str, Any] = field(default_factory=dict)
    local: dict[str, Any] = field(default_factory=dict)
    index: int = -1

    def value(self, found: Any) -> Any:
        """Return what was found in a template, its expressions evaluated."""
        if isinstance(found, dict):
            return {key: self.value(one) for key, one in found.items()}
        if isinstance(found, list):
            return [self.value(one) for one in found]
        if not isinstance(found, str) or not found.startswith("["):
            return found
        return found[1:] if found.startswith("[[") else Expression(found[1:-1], self).run()


class Expression:
    """One expression; `run` evaluates it, arguments of `if` and bodies of lambdas only when they are wanted."""

    def __init__(self, text: str, scope: Scope) -> None:
        self.scope = scope
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text.rstrip()):
            match = TOKEN.match(text, at)
            assert match, f"cannot read {text[at:]!r}"
            kind = next(name for name, found in zip("snip", match.groups(), strict=True) if found is not None)
            self.tokens.append((kind, next(found for found in match.groups() if found is not None)))
            at = match.end()
        self.at = 0

    def run(self) -> Any:
        result = self.parse()
        assert self.at == len(self.tokens), f"left over: {self.tokens[self.at :]}"
        return result()

    def take(self, *wanted: str) -> str:
        kind, text = self.tokens[self.at]
        assert not wanted or (kind == "p" and text in wanted), f"{text!r} where {wanted} was expected"
        self.at += 1
        return text

    def next_is(self, text: str) -> bool:
        return self.at < len(self.tokens) and self.tokens[self.at] == ("p", text)

    def parse(self) -> Callable[[], Any]:
        kind, _ = self.tokens[self.at]
        text = self.take()
        node: Callable[[], Any]
        if kind == "s":
            node = _constant(text.replace("''", "'"))
        elif kind == "n":
            node = _constant(int(text))
        else:
            node = self.call(text)
        while self.next_is(".") or self.next_is("["):
            if self.take() == ".":
                node = _member(node, _constant(self.take()))
            else:
                inner = self.parse()
                self.take("]")
                node = _member(node, inner)
        return node

    def call(self, name: str) -> Callable[[], Any]:
        self.take("(")
        arguments: list[Callable[[], Any]] = []
        while not self.next_is(")"):
            arguments.append(self.parse())
            if not self.next_is(")"):
                self.take(",")
        self.take(")")
        return lambda: self.apply(name, arguments)

    def apply(self, name: str, arguments: list[Callable[[], Any]]) -> Any:
        if name == "if":
            return arguments[1 if arguments[0]() else 2]()
        if name == "lambda":
            *names, body = arguments
            return lambda *values: self.with_local({key(): one for key, one in zip(names, values, strict=True)}, body)
        given = [one() for one in arguments]
        if name in FUNCTIONS:
            return FUNCTIONS[name](*given)
        return getattr(self, f"do_{name}")(*given)

    def with_local(self, values: dict[str, Any], body: Callable[[], Any]) -> Any:
        before, self.scope.local = self.scope.local, {**self.scope.local, **values}
        try:
            return body()
        finally:
            self.scope.local = before

    def do_parameters(self, name: str) -> Any:
        return self.scope.parameters[name]

    def do_variables(self, name: str) -> Any:
        return self.scope.value(self.scope.variables[name])

    def do_lambdaVariables(self, name: str) -> Any:  # noqa: N802 - ARM's name
        return self.scope.local[name]

    def do_copyIndex(self) -> int:  # noqa: N802 - ARM's name
        assert self.scope.index >= 0, "copyIndex() outside of a copy"
        return self.scope.index

    def do_subscription(self) -> dict[str, str]:
        return {"id": f"/subscriptions/{self.scope.subscription}", "subscriptionId": self.scope.subscription}

    def do_deployment(self) -> dict[str, str]:
        return {"location": "westeurope"}

    def do_subscriptionResourceId(self, *parts: str) -> str:  # noqa: N802 - ARM's name
        return resource_id(f"/subscriptions/{self.scope.subscription}", *parts)

    def do_resourceId(self, *parts: str) -> str:  # noqa: N802 - ARM's name
        """Return the id: ([subscription], [group], type, name, ...)."""
        at = next(at for at, part in enumerate(parts) if "/" in part)
        group = parts[at - 1] if at else self.scope.group
        subscription = parts[0] if at == 2 else self.scope.subscription
        return resource_id(f"/subscriptions/{subscription}/resourceGroups/{group}", *parts[at:])

    def do_reference(self, of: str, *_: str) -> Any:
        return self.scope.references[of]


def _constant(value: Any) -> Callable[[], Any]:
    return lambda: value


def _member(of: Callable[[], Any], key: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: of()[key()]


def resource_id(scope: str, kind: str, *names: str) -> str:
    """Return the id of a resource in a scope, by its type and the names of its parents and itself."""
    provider, *types = kind.split("/")
    pairs = "/".join(f"{one}/{name}" for one, name in zip(types, names, strict=True))
    return f"{scope}/providers/{provider}/{pairs}"


def _hash(*parts: str) -> str:
    return hashlib.sha256("-".join(parts).encode()).hexdigest()[:13]


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "concat": lambda *parts: [one for part in parts for one in part] if isinstance(parts[0], list) else "".join(parts),
    "createArray": lambda *items: list(items),
    "createObject": lambda *pairs: dict(zip(pairs[::2], pairs[1::2], strict=True)),
    "equals": lambda one, other: one == other,
    "flatten": lambda items: [one for inner in items for one in inner],
    "format": lambda text, *values: text.format(*values),
    "guid": lambda *parts: str(uuid.uuid5(uuid.NAMESPACE_URL, "-".join(parts))),
    "last": lambda items: items[-1],
    "length": len,
    "map": lambda items, function: [function(one) for one in items],
    "split": lambda text, by: text.split(by),
    "uniqueString": _hash,
}


def deploy(template: Mapping[str, Any], given: Mapping[str, Any], scope: Scope) -> list[Deployed]:
    """Return what the template makes, in its order, nested deployments opened. What depends comes after."""
    declared = template.get("parameters", {})
    assert set(given) <= set(declared), f"not declared: {set(given) - set(declared)}"
    scope.variables = dict(template.get("variables", {}))
    for name, one in declared.items():
        assert name in given or "defaultValue" in one, f"parameter {name} is missing"
        value = given[name] if name in given else scope.value(one["defaultValue"])
        assert value in one.get("allowedValues", [value]), f"{name}: {value} is not allowed"
        assert len(value) <= one["maxLength"] if "maxLength" in one else True, f"{name} is too long"
        scope.parameters[name] = value
    made: list[Deployed] = []
    before: set[str] = set()
    for resource in template["resources"]:
        assert {scope.value(one) for one in resource.get("dependsOn", ())} <= before, "depends on what comes after it"
        count = scope.value(resource["copy"]["count"]) if "copy" in resource else 1
        for scope.index in range(count):
            made += _deploy_one(resource, scope)
        scope.index = -1
        if "copy" not in resource:
            before.add(_id_of(resource, scope))
    return made


def _id_of(resource: Mapping[str, Any], scope: Scope) -> str:
    place = f"/subscriptions/{scope.value(resource.get('subscriptionId', scope.subscription))}"
    group = scope.value(resource.get("resourceGroup", scope.group))
    names = scope.value(resource["name"]).split("/")
    return resource_id(f"{place}/resourceGroups/{group}" if group else place, resource["type"], *names)


def _deploy_one(resource: Mapping[str, Any], scope: Scope) -> list[Deployed]:
    if not scope.value(resource.get("condition", True)):
        return []
    if resource["type"] != "Microsoft.Resources/deployments":
        left = {key: one for key, one in resource.items() if key not in ("condition", "copy", "dependsOn")}
        return [Deployed(f"{scope.subscription}/{scope.group}", scope.value(left))]
    properties = resource["properties"]
    assert properties["expressionEvaluationOptions"] == {"scope": "inner"}
    given = {name: one["value"] for name, one in scope.value(properties["parameters"]).items()}
    inner = Scope(
        subscription=scope.value(resource.get("subscriptionId", scope.subscription)),
        group=scope.value(resource["resourceGroup"]),
        references=scope.references,
    )
    return deploy(properties["template"], given, inner)
