"""The api-versions that this cloud has of each policy type: told by `GET /providers/NAMESPACE`, and insisted on.

Sources: the lists in Azure/bicep 17089 and Azure/enterprise-azure-policy-as-code 566, and the specification for what
came later. Refusals: InvalidResourceType as in those two and in Azure/azure-powershell 25483, without a list as in
JulianHayward/Azure-MG-Sub-Governance-Reporting 297; NoRegisteredProviderFound, which types with locations answer, as in
Azure/azure-cli 31916. That a policy type ever answers so is a guess. Types that have no list here take any version.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from sandbox.arm.errors import ArmError
from sandbox.arm.exemption_body import LEVELS
from sandbox.arm.reply import Reply
from sandbox.arm.target import Target
from sandbox.arm.versions import PINNED

_PATH: Final = re.compile(r"/providers/(?P<namespace>[^/]+)/?", re.IGNORECASE)
_NAMESPACE: Final = "Microsoft.Authorization"
_DEFINITIONS: Final = (
    "2018-03-01", "2018-05-01", "2019-01-01", "2019-06-01", "2019-09-01", "2020-03-01", "2020-08-01", "2020-09-01",
    "2021-06-01", "2023-04-01", "2024-05-01", "2025-01-01", "2025-03-01", "2025-11-01", "2025-12-01-preview",
    "2026-01-01-preview", "2026-06-01", "2026-07-01",
)  # fmt: skip
_SUPPORTED: Final[Mapping[str, tuple[str, ...]]] = {
    "policyAssignments": (
        "2015-10-01-preview", "2016-04-01", "2016-12-01", "2017-06-01-preview",
        *sorted((*_DEFINITIONS, "2022-06-01", "2024-04-01")),
    ),
    "policyDefinitions": ("2015-10-01-preview", "2016-04-01", "2016-12-01", *_DEFINITIONS),
    "policySetDefinitions": ("2017-06-01-preview", *_DEFINITIONS),
    "policyExemptions": tuple(LEVELS),
    "policyEnrollments": ("2026-01-01-preview",),
    "permissions": ("2015-07-01", "2018-07-01", "2022-04-01"),
}  # fmt: skip
_VERSIONED: Final = ("policyDefinitions", "policySetDefinitions")
_REFUSALS: Final = ("InvalidResourceType", "NoRegisteredProviderFound")


def namespace_of(path: str) -> str:
    """Return the namespace where a path is a provider's own; else ""."""
    found = _PATH.fullmatch(path)
    return found["namespace"] if found else ""


class Providers:
    """What this cloud supports. It may be made to lag: `lag`, `reset`."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Support all that Azure does."""
        self.supported = dict(_SUPPORTED)
        self.refusal = _REFUSALS[0]

    def lag(self, values: Mapping[str, Any]) -> None:
        """Support just these versions: `values` maps types to lists; `refusal` is the code of the answer to others.

        Raises ValueError for what is neither.
        """
        given = dict(values)
        refusal = given.pop("refusal", self.refusal)
        wrong = [name for name, listed in given.items() if name not in _SUPPORTED or not isinstance(listed, list)]
        if wrong or refusal not in _REFUSALS:
            raise ValueError(f"each of {', '.join(_SUPPORTED)} takes a list; refusal is one of {', '.join(_REFUSALS)}")
        self.supported |= {name: tuple(map(str, listed)) for name, listed in given.items()}
        self.refusal = refusal

    def require(self, target: Target, version: str) -> None:
        """Check that this cloud has a type in an api-version. Raises ArmError 400, 404."""
        namespace, _, kind = target.type.partition("/")
        listed = self._types().get(kind) if namespace.lower() == _NAMESPACE.lower() else None
        if listed is None or version.lower() in map(str.lower, listed):
            return
        known = {one for every in (*_SUPPORTED.values(), *self.supported.values()) for one in every}
        if version.lower() not in map(str.lower, known):
            message = f"The api-version '{version}' is invalid. The supported versions are '{','.join(sorted(known))}'."
            raise ArmError(400, "InvalidApiVersionParameter", message)
        if self.refusal == "NoRegisteredProviderFound":
            message = (
                f"No registered resource provider found for location 'global' and API version '{version}' for type "
                f"'{kind}'. The supported api-versions are '{', '.join(listed)}'. The supported locations are 'global'."
            )
            raise ArmError(400, self.refusal, message)
        what = f"type '{kind}'" if listed else "type"
        message = f"The resource {what} could not be found in the namespace '{_NAMESPACE}' for api version '{version}'."
        message += f" The supported api-versions are '{','.join(listed)}'." if listed else ""
        raise ArmError(404, self.refusal, message)

    def show(self, namespace: str) -> Reply:
        """Return a provider's types and their api-versions, newest first; any identity may ask. Raises ArmError 404."""
        if namespace.lower() != _NAMESPACE.lower():
            message = f"The resource namespace '{namespace}' is invalid."
            raise ArmError(404, "InvalidResourceNamespace", message)
        types = [
            {"resourceType": kind, "locations": [], "apiVersions": sorted(listed, reverse=True), "capabilities": "None"}
            for kind, listed in self._types().items()
        ]
        body = {"id": f"/providers/{_NAMESPACE}", "namespace": _NAMESPACE, "resourceTypes": types}
        return Reply(200, json.dumps(body).encode())

    def _types(self) -> dict[str, tuple[str, ...]]:
        """Return the versions of each type; those of a definition's versions are there since there are any."""
        below = {f"{kind}/versions": tuple(one for one in self.supported[kind] if one >= PINNED) for kind in _VERSIONED}
        return self.supported | below
