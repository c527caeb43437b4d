"""Who may do what: role assignments, deny assignments and locks, answered as ARM answers them.

An identity without any grant set may do everything, so that tests name only what they restrict. Message forms: real
answers quoted in public issues (AuthorizationFailed, DenyAssignmentAuthorizationFailed, ScopeLocked).
"""

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase

from sandbox.arm.errors import ArmError
from sandbox.arm.store import Store
from sandbox.arm.target import LOCKS, Target
from sandbox.identity import Caller


@dataclass(frozen=True, slots=True)
class Grant:
    """One role assignment: actions are globs such as `Microsoft.Authorization/policyExemptions/*`."""

    scope: str
    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()

    def allows(self, action: str) -> bool:
        return _any_glob(self.actions, action) and not _any_glob(self.not_actions, action)


@dataclass(frozen=True, slots=True)
class Denial:
    """One deny assignment. Identities in `except_oids` are not held by it."""

    name: str
    id: str
    scope: str
    actions: tuple[str, ...]
    except_oids: tuple[str, ...] = ()


def _any_glob(globs: tuple[str, ...], action: str) -> bool:
    return any(fnmatchcase(action.lower(), glob.lower()) for glob in globs)


class Access:
    """Checks one action of one caller on one target."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.grants: dict[str, list[Grant]] = {}
        self.denials: list[Denial] = []

    def reset(self) -> None:
        self.grants.clear()
        self.denials.clear()

    def may(self, caller: Caller, action: str, key: str) -> bool:
        """Return whether the grants of the caller, if any are set, allow the action at a lower-cased scope or id."""
        grants = self.grants.get(caller.oid)
        if grants is None:
            return True
        return any(grant.allows(action) and self._store.is_below(key, grant.scope.lower()) for grant in grants)

    def listed(self, caller: Caller, key: str) -> bytes:
        """Return what the caller may do at a lower-cased scope, as Azure lists it: one entry for each role.

        Deny assignments are not in it (REST reference, Permissions - List For Resource Group).
        """
        grants = self.grants.get(caller.oid)
        if grants is None:
            grants = [Grant("", ("*",))]
        held = [grant for grant in grants if self._store.is_below(key, grant.scope.lower())]
        rows = [{"actions": list(one.actions), "notActions": list(one.not_actions)} for one in held]
        return json.dumps({"value": [{**row, "dataActions": [], "notDataActions": []} for row in rows]}).encode()

    def check(self, caller: Caller, action: str, scope: str) -> None:
        """Raise 403 when the caller lacks the action or a deny assignment takes it away."""
        key = scope.lower()
        who = f"The client '{caller.upn or caller.appid}' with object id '{caller.oid}'"
        if not self.may(caller, action, key):
            raise ArmError(
                403,
                "AuthorizationFailed",
                f"{who} does not have authorization to perform action '{action}' over scope '{scope}' or the scope is "
                "invalid. If access was recently granted, please refresh your credentials.",
            )
        for denial in self.denials:
            held = caller.oid not in denial.except_oids and _any_glob(denial.actions, action)
            if held and self._store.is_below(key, denial.scope.lower()):
                raise ArmError(
                    403,
                    "DenyAssignmentAuthorizationFailed",
                    f"{who} has permission to perform action '{action}' on scope '{scope}'; however, the access is "
                    f"denied because of the deny assignment with name '{denial.name}' and Id '{denial.id}' at scope "
                    f"'{denial.scope}'.",
                )

    def check_locks(self, method: str, target: Target) -> None:
        """Raise 409 when a lock at, above or (for a delete) below the target forbids the request."""
        if not self._store.locks or method == "GET" or target.type_key == LOCKS:
            return
        held = [lock.target.scope for lock in self._store.locks.values() if self._locks(lock.body, method, target)]
        held = [scope for scope in held if self._meets(scope.lower(), method, target)]
        if held:
            word = "delete" if method == "DELETE" else "write"
            listed = ", ".join(f"'{scope}'" for scope in held)
            raise ArmError(
                409,
                "ScopeLocked",
                f"The scope '{target.id}' cannot perform {word} operation because following scope(s) are locked: "
                f"{listed}. Please remove the lock and try again.",
            )

    @staticmethod
    def _locks(body: dict[str, object], method: str, target: Target) -> bool:
        properties = body.get("properties")
        level = properties.get("level") if isinstance(properties, dict) else None
        return level == "ReadOnly" or (level == "CanNotDelete" and method == "DELETE" and not target.action)

    def _meets(self, scope_key: str, method: str, target: Target) -> bool:
        below = method == "DELETE" and self._store.is_below(scope_key, target.key)
        return below or self._store.is_below(target.key, scope_key)
