"""EPAC's global-settings.jsonc: one of its environments. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from guardrails.epac.uncertain import Uncertain
from guardrails.epac.world import FULL, Environment
from guardrails.evaluation.values import Place
from guardrails.files.epac_json import BrokenJson, Object, read_json
from guardrails.files.json_places import Lines, decoded

NAMES: Final = ("global-settings.jsonc", "global-settings.json")
"""What the file of settings is called."""
_STRATEGIES: Final = (FULL, "ownedOnly")
_RETIRED: Final = ("deleteExpiredExemptions", "deleteOrphanedExemptions", "includeResourceGroups")
"""Fields of desiredState for which EPAC stops."""


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
        root = read_json(text, lambda _: None)
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
        if not found:
            names = ", ".join(str(one.get("pacSelector"))[:60] for one in some[:20]) or "none"
            raise self._bad(f"no environment is called {selector[:60]!r}; there is {names}; say it with --pac-selector")
        return self._made(found[-1])

    def _made(self, said: Mapping[str, Any]) -> Environment:
        desired = said.get("desiredState")
        if not isinstance(desired, dict):
            raise self._bad("the environment has no desiredState", said)
        for name in _RETIRED:
            if desired.get(name) is not None:
                raise self._bad(f"EPAC has stopped reading {name}, and stops at it", desired, name)
        strategy = desired.get("strategy")
        if strategy not in _STRATEGIES:
            raise self._bad("desiredState.strategy is neither full nor ownedOnly", desired, "strategy")
        selector, owner = self._text(said, "pacSelector"), self._text(self._root, "pacOwnerId")
        deployed_by = said.get("deployedBy")
        return Environment(
            selector, owner, deployed_by if isinstance(deployed_by, str) else f"epac/{owner}/{selector}",
            self._text(said, "tenantId"), self._text(said, "deploymentRootScope"), strategy,
            other_tenant=said.get("managedTenantId") is not None,
            skip_resources=bool(said.get("skipResourceValidationForExemptions")),
            child_definitions=desired.get("manageChildScopeDefinitions") is True,
            no_subscriptions=bool(desired.get("excludeSubscriptions")),
            not_scopes=self._texts(said, "globalNotScopes"),
            excluded=() if desired.get("excludeSubscriptions") else self._texts(desired, "excludedScopes"),
            excluded_assignments=self._texts(desired, "excludedPolicyAssignments"),
            excluded_policies=self._texts(desired, "excludedPolicyDefinitions"),
            excluded_initiatives=self._texts(desired, "excludedPolicySetDefinitions"),
            cloud=str(said.get("cloud", "")),
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
