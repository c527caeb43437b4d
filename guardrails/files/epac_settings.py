"""EPAC's global-settings.jsonc: one of its environments. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from guardrails.epac.uncertain import Uncertain
from guardrails.epac.world import FULL, Environment
from guardrails.evaluation.values import Place
from guardrails.files.epac_json import BrokenJson, Object, read_json
from guardrails.files.json_places import Lines, decoded
from guardrails.lazy_regex import lazy_regex

NAMES: Final = ("global-settings.jsonc", "global-settings.json")
"""What the file of settings is called."""
_STRATEGIES: Final = {"full": FULL, "ownedonly": "ownedOnly"}
_RETIRED: Final = (
    ("globalNotScopes", "managedIdentityLocations", "managedIdentityLocation"),
    ("defaultSubscriptionId", "rootScope", "inheritedDefinitionsScopes"),
    ("deleteExpiredExemptions", "deleteOrphanedExemptions", "includeResourceGroups"),
)
"""Fields for which EPAC stops: of the settings, of an environment, of its desiredState."""
_GROUP: Final = "/providers/Microsoft.Management/managementGroups/"
_SUBSCRIPTION: Final = "/subscriptions/"
_SCOPES: Final = (_GROUP, _SUBSCRIPTION)
"""What a scope begins with. Letter case counts."""
_NEEDED: Final = ("cloud", "managedIdentityLocation")
_NAMED: Final = ("pacSelector", "tenantId", "deploymentRootScope")
"""Fields that each environment must have."""
_LISTS: Final = ("excludedPolicyDefinitions", "excludedPolicySetDefinitions", "excludedPolicyAssignments")
_GUID: Final = lazy_regex(r"\s*[({]?[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}[)}]?\s*", re.IGNORECASE)
_BOOLEANS: Final = (
    "keepDfcSecurityAssignments", "keepDfcPlanAssignments", "cleanupObsoleteExemptions",
    "doNotDisableDeprecatedPolicies", "manageChildScopeDefinitions",
)  # fmt: skip
"""Fields of desiredState that are true or false. EPAC stops without the first one."""


class BadSettings(ValueError):
    """EPAC stops at the settings, or they lack what the plan needs. `place`: where."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.place = place


def read_settings(data: bytes, path: str, selector: str) -> Environment:
    """Return the environment with a selector. Raises BadSettings.

    Args:
        selector: in any letter case; "" for the only one that there is.
    """
    text = decoded(data, path)
    if not isinstance(text, str):
        raise BadSettings(text.message, text.place)
    lines = Lines(text, path)
    try:
        root = read_json(text, lambda _: None, level=0)
    except BrokenJson as error:
        raise BadSettings(f"{error}, so EPAC stops", lines.place(error.at)) from None
    except Uncertain as doubt:
        raise BadSettings(str(doubt), lines.place(0)) from None
    return _Reader(root, lines).environment(selector)


class _Reader:
    def __init__(self, root: Any, lines: Lines) -> None:
        self._root = root
        self._lines = lines

    def environment(self, selector: str) -> Environment:
        listed = self._root.get("pacEnvironments") if isinstance(self._root, dict) else None
        some = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
        found = [one for one in some if str(one.get("pacSelector", "")).lower() == selector.lower()]
        if not selector and len(some) == 1:
            found = some
        if len(found) > 1:
            raise self._bad(f"two environments are called {selector[:60]!r}", found[1])
        if not found:
            names = ", ".join(str(one.get("pacSelector"))[:60] for one in some[:20]) or "none"
            raise self._bad(f"no environment is called {selector[:60]!r}; there is {names}; say it with --pac-selector")
        for one in some:
            self._check(one)
        return self._made(found[0], some)

    def _check(self, said: Mapping[str, Any]) -> None:
        """Look for what EPAC stops at, in whichever environment it is. Raises BadSettings."""
        for name in _NAMED:
            if said.get(name) is None:
                raise self._bad(f"an environment has no {name}", said)
        tenant = said.get("managedTenantId")
        if tenant is not None and not (isinstance(tenant, str) and _GUID.fullmatch(tenant)):
            raise self._bad("EPAC stops at managedTenantId: it is no GUID", said, "managedTenantId")
        desired = said.get("desiredState")
        if not isinstance(desired, dict):
            raise self._bad("an environment has no desiredState", said)
        for owner, names in zip((self._root, said, desired), _RETIRED, strict=True):
            for name in names:
                if owner.get(name) is not None:
                    raise self._bad(f"EPAC has stopped reading {name}, and stops at it", owner, name)
        self._check_desired(desired)
        self._check_scopes(said, "globalNotScopes", at_nothing=True)
        self._check_scopes(desired, "excludedScopes", at_nothing=False)

    def _check_desired(self, desired: Mapping[str, Any]) -> None:
        if str(desired.get("strategy")).lower() not in _STRATEGIES:
            raise self._bad("desiredState.strategy is neither full nor ownedOnly", desired, "strategy")
        for name in _BOOLEANS:
            if not isinstance(desired.get(name), bool | None):
                raise self._bad(f"EPAC stops at {name}: it is neither true nor false", desired, name)
        for name in _LISTS:
            self._texts(desired, name)

    def _check_scopes(self, owner: Mapping[str, Any], name: str, *, at_nothing: bool) -> None:
        """Look for what is no scope. `at_nothing`: EPAC stops at an empty text, too."""
        scopes = self._texts(owner, name)
        empty = ("",) if at_nothing and "" in (owner.get(name) or ()) else ()
        for scope in (*scopes, *empty):
            if not scope.startswith(_SCOPES) or "/resourcegrouppatterns/" in scope.lower():
                raise self._bad(f"EPAC stops at {name}: {scope[:60]!r} is no scope", owner, name)

    def _made(self, said: Mapping[str, Any], every: Sequence[Mapping[str, Any]]) -> Environment:
        desired = said["desiredState"]
        strategy = _STRATEGIES[str(desired["strategy"]).lower()]
        selector, owner = self._text(said, "pacSelector"), self._text(self._root, "pacOwnerId")
        deployed_by, no_subscriptions = said.get("deployedBy"), bool(desired.get("excludeSubscriptions"))
        return Environment(
            selector, owner, deployed_by if isinstance(deployed_by, str) else f"epac/{owner}/{selector}",
            self._text(said, "tenantId"), self._text(said, "deploymentRootScope"), strategy,
            other_tenant=said.get("managedTenantId") is not None,
            skip_resources=bool(said.get("skipResourceValidationForExemptions")),
            child_definitions=desired.get("manageChildScopeDefinitions") is True,
            no_subscriptions=no_subscriptions,
            not_scopes=self._texts(said, "globalNotScopes"),
            excluded=tuple(
                one
                for one in self._texts(desired, "excludedScopes")
                if not (no_subscriptions and one.startswith(_SUBSCRIPTION))
            ),
            excluded_assignments=self._texts(desired, "excludedPolicyAssignments"),
            excluded_policies=self._texts(desired, "excludedPolicyDefinitions"),
            excluded_initiatives=self._texts(desired, "excludedPolicySetDefinitions"),
            cloud=str(said.get("cloud", "")),
            lacks=tuple(dict.fromkeys(
                name
                for one in every
                for owner, names in ((one, _NEEDED), (one["desiredState"], _BOOLEANS[:1]))
                for name in names
                if owner.get(name) is None
            )),
        )  # fmt: skip

    def _text(self, said: Any, name: str) -> str:
        value = said.get(name)
        if not isinstance(value, str) or not value:
            raise self._bad(f"it has no {name}", said)
        return value

    def _texts(self, said: Any, name: str) -> tuple[str, ...]:
        value = said.get(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self._bad(f"{name} is no list of texts", said, name)
        return tuple(one for one in value if one)

    def _bad(self, message: str, said: Any = None, name: str = "") -> BadSettings:
        at = 0
        if isinstance(said, Object):
            at = said.offsets.get(name, said.at)
        return BadSettings(message, self._lines.place(at))
