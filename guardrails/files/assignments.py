"""Policy assignments, initiatives and policies in files: what `judge --assignments` knows of what is exempted. Pure.

As `az policy assignment list`, `az policy set-definition list`, `az policy definition list`, PowerShell, ARM or
Resource Graph give them.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from guardrails.exemption.applies import not_scopes_of
from guardrails.exemption.facts import Assignment, PoliciesById, Policy, Unread
from guardrails.exemption.initiatives import base_of, is_policy, policy_of
from guardrails.exemption.versions import Choice, Definition, Pin, assigned, choose, definition_of, key_of, pin_of

_ASSIGNMENT: Final = "/policyassignments/"
_INITIATIVE: Final = "/policysetdefinitions/"
_ABSENT: Final = Unread("it is in none of the files given with --assignments")
_NO_CHOICE: Final = Choice("", "")


class Assignments:
    """What some files hold, by id in any casing. What they do not hold is Unread: a file proves no absence."""

    def __init__(self, bodies: Iterable[Mapping[str, Any]] = ()) -> None:
        self._assigned: dict[str, tuple[str, Pin, tuple[str, ...]]] = {}
        self._latest: dict[str, Definition] = {}
        self._numbered: dict[str, dict[str, Definition]] = {}
        self._policies: dict[str, Policy | Unread] = {}
        for body in bodies:
            said = _lifted(body)
            key = _key(said.get("id") or said.get("resourceid") or said.get("policyassignmentid"))
            if _ASSIGNMENT in key:
                left_out = not_scopes_of(said.get("notscopes") or said.get("notscope"))
                self._assigned[key] = str(said.get("policydefinitionid") or ""), pin_of(said), left_out
            elif _INITIATIVE in key and (base := key_of(key)) != key:
                _keep(self._numbered.setdefault(base, {}), key.rpartition("/")[2], definition_of(key, said))
            elif _INITIATIVE in key:
                _keep(self._latest, key, definition_of(key, said))
            elif is_policy(key) and said.keys() & {"metadata", "policyrule"}:
                policy = policy_of(said)
                if key not in self._policies or isinstance(policy, Policy):
                    self._policies[key] = policy

    def __len__(self) -> int:
        numbered = sum(map(len, self._numbered.values()))
        return len(self._assigned) + len(self._latest) + numbered + len(self._policies)

    def find(self, assignment_id: str) -> Assignment | Unread:
        """Return the assignment, with the members of its initiative in the version that Azure evaluates."""
        definition, pin, left_out = self._assigned.get(_key(assignment_id), ("", Pin(), ()))
        if not definition:
            return _ABSENT
        base = base_of(definition)
        if _INITIATIVE not in base.lower():
            return Assignment(assignment_id, base, {}, not_scopes=left_out)
        found, choice = self._evaluated(base.lower(), pin)
        return assigned(assignment_id, base, found, choice, left_out)

    def policies(self, ids: Iterable[str]) -> PoliciesById:
        """Return what the files say of policies, for each of these ids in lower case."""
        return {one: self._policies.get(one, _ABSENT) for one in ids}

    def _evaluated(self, key: str, pin: Pin) -> tuple[Definition | Unread, Choice]:
        numbered = {one.version or name: one for name, one in self._numbered.get(key, {}).items()}
        latest = self._latest.get(key)
        if latest is None and not (pin.pattern or pin.effective):
            return _ABSENT, _NO_CHOICE
        shown = latest or Definition(_ABSENT)
        choice = choose(pin, shown)
        if choice is None:  # the files may not hold all versions: what matches among some is not the newest of all
            return Unread(f"none of the files given has the version of definitionVersion {pin.pattern}"), _NO_CHOICE
        if isinstance(choice, Unread):
            return choice, _NO_CHOICE
        if latest and latest.is_meant(choice):
            return latest, choice
        found = shown.pick(choice.version, numbered)
        if found is None:
            return Unread(f"version {choice.version} of the initiative is in none of the files given"), choice
        return found, choice


def _keep(into: dict[str, Definition], name: str, definition: Definition) -> None:
    """Keep an initiative by its name; one that was read is not unread again."""
    if name not in into or not isinstance(definition.members, Unread):
        into[name] = definition


def _lifted(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a body and of its properties, by name in lower case."""
    top = {str(key).lower(): value for key, value in body.items()}
    inner = top.get("properties")
    lifted = {str(key).lower(): value for key, value in inner.items()} if isinstance(inner, Mapping) else {}
    said = {**top, **lifted}
    if said.get("definitionversion", "") is None and "tenantid" not in top:
        del said["definitionversion"]  # PowerShell and the CLI write null for none; Resource Graph for not shown
    return said


def _key(text: object) -> str:
    return "/" + str(text or "").strip("/ ").lower()
