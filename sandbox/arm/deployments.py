"""Template deployments: a `resources` array of plain resources, incremental or complete.

Every resource goes through ARM like a request of its own, so that it is checked and raises its own event. Template
functions are not evaluated. Complete mode, at a resource group, deletes what the template does not name; exemptions
are extension resources, so it deletes none itself, but they go with their targets.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sandbox.arm.errors import ArmError, bad_content
from sandbox.arm.reply import Reply
from sandbox.arm.store import Entry, Json, Store, missing, stamp
from sandbox.arm.target import EXEMPTIONS, GROUPS, Target, parse

type Inner = Callable[[str, str, Json | None, str], Reply]


class Deployments:
    """Runs a deployment to its end within the request: the state in the answer is Succeeded."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def get(self, target: Target) -> Reply:
        entry = self._store.get(target.key)
        if entry is None:
            self._store.require_containers(target.scope)
            raise missing(target)
        return Reply(200, entry.bytes())

    def put(self, target: Target, body: Any, inner: Inner) -> Reply:
        """Deploy; `inner` sends one request (method, id, body, api-version). Raises the first ArmError met."""
        self._store.require_scope(target.scope)
        mode, resources = _read(body)
        written = [self._write(target.scope, resource, inner) for resource in resources]
        if mode == "complete":
            self._complete(target.scope, {one.lower() for one in written}, inner)
        before = self._store.get(target.key)
        properties = {
            "mode": mode.capitalize(), "provisioningState": "Succeeded", "timestamp": stamp(self._clock()),
            "outputResources": [{"id": one} for one in written],
        }  # fmt: skip
        entry = Entry(before.target if before else target, {"properties": properties})
        self._store.put(entry)
        return Reply(200 if before else 201, entry.bytes())

    def _write(self, scope: str, resource: Json, inner: Inner) -> str:
        identity = _identity(scope, resource)
        skipped = {"type", "name", "apiVersion", "scope", "dependsOn"}
        inner("PUT", identity, {k: v for k, v in resource.items() if k not in skipped}, resource["apiVersion"])
        return identity

    def _complete(self, scope: str, named: set[str], inner: Inner) -> None:
        if parse(scope).type_key != GROUPS:
            message = "Complete mode is supported only for deployments to a resource group."
            raise ArmError(400, "InvalidDeploymentMode", message)
        prefix = scope.lower() + "/providers/"
        for entry in list(self._store.entries.values()):
            key, kind = entry.target.key, entry.target.type_key
            plain = kind.split("/")[0] not in {"microsoft.authorization", "microsoft.resources"}
            kept = key in named or any(one.startswith(key + "/") for one in named)
            if key.startswith(prefix) and plain and kind != EXEMPTIONS and not kept and self._store.get(key):
                inner("DELETE", entry.target.id, None, "2021-04-01")


def _read(body: Any) -> tuple[str, list[Json]]:
    properties = body.get("properties") if isinstance(body, dict) else None
    template = properties.get("template") if isinstance(properties, dict) else None
    resources = template.get("resources") if isinstance(template, dict) else None
    if isinstance(resources, dict):
        resources = list(resources.values())
    if not isinstance(properties, dict) or not isinstance(resources, list):
        raise bad_content("Required property 'properties.template.resources' not found in JSON")
    if not all(isinstance(resource, dict) for resource in resources):
        raise bad_content("The value must be a list of objects. Path 'properties.template.resources'")
    for resource in resources:
        lacking = [key for key in ("type", "name", "apiVersion") if not isinstance(resource.get(key), str)]
        if lacking or '"[' in json.dumps(resource):
            why = f"lacks {', '.join(lacking)}" if lacking else "has a template expression, which is not evaluated here"
            raise ArmError(400, "InvalidTemplate", f"Deployment template validation failed: a resource {why}.")
    return str(properties.get("mode", "Incremental")).lower(), resources


def _identity(scope: str, resource: Json) -> str:
    """Build the id of a template resource: its own `scope`, if any, below the deployment's; nested names paired."""
    base = str(resource.get("scope", "")) or scope
    if base.lower().startswith("subscriptions/"):
        base = "/" + base
    elif not base.startswith("/"):
        base = f"{scope}/providers/{_pair(*_split(base))}"
    return f"{base}/providers/{_pair(resource['type'], resource['name'])}"


def _split(relative: str) -> tuple[str, str]:
    # A relative scope reads as Microsoft.Storage/storageAccounts/name, or with children type/name/type/name.
    provider, *rest = relative.split("/")
    return "/".join([provider, *rest[::2]]), "/".join(rest[1::2])


def _pair(types: str, names: str) -> str:
    provider, *kinds = types.split("/")
    parts = names.split("/")
    if len(kinds) != len(parts):
        raise ArmError(400, "InvalidTemplate", f"The name '{names}' does not fit the type '{types}'.")
    return "/".join([provider, *(f"{kind}/{part}" for kind, part in zip(kinds, parts, strict=True))])
