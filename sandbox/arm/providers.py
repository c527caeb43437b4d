"""The api-versions that this cloud has of each type: listed by `GET [/subscriptions/ID]/providers/NAMESPACE`.

It insists on those of policy types. Of subscriptions, tenants and providers, which are Resource Manager's own, it
insists on one list for all, with InvalidApiVersionParameter (Azure/azure-cli 28038, ansible-collections/azure 1739;
after 2024-08-01 as in the specification).

Sources: the lists in Azure/bicep 17089 and Azure/enterprise-azure-policy-as-code 566, and the specification for what
came later. Refusals: InvalidResourceType as in those two and in Azure/azure-powershell 25483, without a list as in
JulianHayward/Azure-MG-Sub-Governance-Reporting 297, for a version that no type of the namespace has, too
(Azure/acs-engine 4037); NoRegisteredProviderFound, which types with locations answer, as in
Azure/azure-cli 31916. That a policy type ever answers so is a guess. Other types take any version; for those that are
shown besides, versions are named that the specification has.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from sandbox.arm.errors import ArmError
from sandbox.arm.exemption_body import LEVELS
from sandbox.arm.reply import Reply
from sandbox.arm.target import ALL_RESOURCES, SUBSCRIPTIONS, Target
from sandbox.arm.versions import PINNED

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
_NATIVE: Final = (
    "2014-04", "2014-02-26", "2013-03-01", "2014-01-01", "2014-04-01", "2014-04-01-preview", "2015-01-01", "2015-11-01",
    "2016-02-01", "2016-06-01", "2016-07-01", "2016-09-01", "2017-03-01", "2017-05-01", "2017-05-10", "2017-06-01",
    "2017-08-01", "2017-12-01", "2018-01-01", "2018-02-01", "2018-05-01", "2018-06-01", "2018-07-01", "2018-08-01",
    "2018-09-01", "2018-11-01", "2019-03-01", "2019-05-01", "2019-05-10", "2019-06-01", "2019-07-01", "2019-08-01",
    "2019-09-01", "2019-10-01", "2019-11-01", "2020-01-01", "2020-05-01", "2020-06-01", "2020-07-01", "2020-08-01",
    "2020-09-01", "2020-10-01", "2021-01-01", "2021-04-01", "2022-01-01", "2022-03-01-preview", "2022-05-01",
    "2022-06-01", "2022-09-01", "2022-11-01-preview", "2022-12-01", "2023-03-01-preview", "2023-07-01-preview",
    "2023-07-01", "2024-03-01", "2024-06-01-preview", "2024-07-01", "2024-08-01", "2024-11-01", "2025-03-01",
    "2025-04-01", "2026-06-01",
)  # fmt: skip
"""Of Resource Manager itself, in the order of the answers that quote them, reversed."""
_NATIVE_TYPES: Final = (SUBSCRIPTIONS, ALL_RESOURCES)
_OTHERS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "Microsoft.KeyVault": {"vaults": ("2022-07-01", "2023-07-01", "2024-11-01", "2025-05-01", "2026-02-01")},
    "Microsoft.Management": {"managementGroups": ("2020-05-01", "2020-10-01", "2021-04-01", "2023-04-01")},
    "Microsoft.Resources": {
        "deployments": _NATIVE, "resourceGroups": _NATIVE, "subscriptions": _NATIVE,
        "subscriptions/resourceGroups": _NATIVE, "tags": _NATIVE, "tenants": _NATIVE,
    },
    "Microsoft.Storage": {"storageAccounts": ("2023-05-01", "2024-01-01", "2025-01-01", "2025-06-01", "2025-08-01")},
}  # fmt: skip
_FREE: Final = (_NAMESPACE, "Microsoft.Management", "Microsoft.Resources")
PROVIDERS: Final = "Microsoft.Resources/subscriptions/providers/read"
_VERSIONED: Final = ("policyDefinitions", "policySetDefinitions")
_REFUSALS: Final = ("InvalidResourceType", "NoRegisteredProviderFound")


def invalid(version: str) -> ArmError:
    """Make Resource Manager's own refusal of an api-version."""
    message = f"The api-version '{version}' is invalid. The supported versions are '{','.join(reversed(_NATIVE))}'."
    return ArmError(400, "InvalidApiVersionParameter", message)


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
        if target.type_key in _NATIVE_TYPES:
            self.require_native(version)
        namespace, _, kind = target.type.partition("/")
        listed = self._listed(kind) if namespace.lower() == _NAMESPACE.lower() else None
        if listed is None or version.lower() in map(str.lower, listed):
            return
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

    @staticmethod
    def require_native(version: str) -> None:
        """Check that Resource Manager itself has an api-version. Raises ArmError 400."""
        if version.lower() not in _NATIVE:
            raise invalid(version)

    def show(self, scope: str, namespace: str) -> Reply:
        """Return a provider's types and their api-versions, newest first, of a subscription or ("") the tenant.

        Raises ArmError 404.
        """
        known = next((one for one in (_NAMESPACE, *_OTHERS) if one.lower() == namespace.lower()), None)
        if known is None:
            message = f"The resource namespace '{namespace}' is invalid."
            raise ArmError(404, "InvalidResourceNamespace", message)
        return Reply(200, json.dumps(self._shown(scope, known)).encode())

    def list(self, scope: str) -> Reply:
        """Return the providers of a subscription."""
        value = [self._shown(scope, namespace) for namespace in sorted((_NAMESPACE, *_OTHERS))]
        return Reply(200, json.dumps({"value": value}).encode())

    def _shown(self, scope: str, namespace: str) -> dict[str, Any]:
        types = self._types() if namespace == _NAMESPACE else _OTHERS[namespace]
        free = namespace in _FREE
        locations, capabilities = ([], "None") if free else (["West Europe"], "SupportsTags, SupportsLocation")
        registration = {
            "registrationPolicy": "RegistrationFree" if free else "RegistrationRequired",
            "registrationState": "Registered",
        }
        return {
            "id": f"{scope}/providers/{namespace}", "namespace": namespace, **(registration if scope else {}),
            "resourceTypes": [
                {
                    "resourceType": kind, "locations": locations, "apiVersions": sorted(listed, reverse=True),
                    "capabilities": capabilities,
                }
                for kind, listed in types.items()
            ],
        }  # fmt: skip

    def _types(self) -> dict[str, tuple[str, ...]]:
        """Return the versions of each type."""
        below = [f"{kind}/versions" for kind in _VERSIONED]
        return self.supported | {kind: self._listed(kind) or () for kind in below}

    def _listed(self, kind: str) -> tuple[str, ...] | None:
        """Return the versions of a type; those of a definition's versions are there since there are any."""
        of = kind.removesuffix("/versions")
        if of != kind and of in _VERSIONED:
            return tuple(one for one in self.supported[of] if one >= PINNED)
        return self.supported.get(kind)
