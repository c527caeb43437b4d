"""What EPAC's planner looks at besides files: settings, the tree of scopes, policies, what is deployed. Pure."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

from guardrails.dataclass import dataclass, field
from guardrails.epac.instants import Runner
from guardrails.epac.powershell import like
from guardrails.epac.uncertain import Uncertain
from guardrails.lazy_regex import lazy_regex

_LITERAL: Final = lazy_regex(r"[ -~]*?(?=[*?`\[]|[^ -~]|\Z)")
"""The beginning of a pattern that stands for itself."""
_PLAIN_NAME: Final = lazy_regex(r"[\w .-]+(?:[*?][\w .-]+)?[*?]?", re.ASCII)
"""A regular expression that means the same to everybody, and takes no long time."""
_LONGEST_NAME: Final = 200
"""Characters of a subscription's name, of which Azure takes 64."""
FULL: Final = "full"
"""The strategy by which EPAC deletes what has no owner."""
_NO_SETTINGS: Final = "EPAC's global-settings.jsonc is not known; say where it is with --epac-settings"
_INITIATIVE: Final = "/providers/microsoft.authorization/policysetdefinitions/"


class ScopeKind(StrEnum):
    """What a scope of EPAC's tree is."""

    GROUP = "management-group"
    SUBSCRIPTION = "subscription"
    RESOURCE_GROUP = "resource-group"


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment of EPAC's global settings.

    Attributes:
        selector, owner, deployed_by, tenant: as written; "" for a tenant that is not said.
        root: the id of the root scope.
        strategy: `full` or `ownedOnly`.
        other_tenant: a managed tenant is set, so that exemptions of every tenant count.
        skip_resources: EPAC does not look whether resources exist.
        child_definitions: definitions below the root scope are known, too.
        no_subscriptions: all subscriptions are left out.
        not_scopes, excluded: patterns of scopes that are left out: globalNotScopes, excludedScopes.
        excluded_assignments, excluded_policies, excluded_initiatives: patterns of ids.
        cloud: Azure's, as written: AzureCloud.
        lacks: settings that EPAC stops without. The plan is what it would be with them.
    """

    selector: str
    owner: str
    deployed_by: str
    tenant: str
    root: str
    strategy: str
    other_tenant: bool = False
    skip_resources: bool = False
    child_definitions: bool = False
    no_subscriptions: bool = False
    not_scopes: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    excluded_assignments: tuple[str, ...] = ()
    excluded_policies: tuple[str, ...] = ()
    excluded_initiatives: tuple[str, ...] = ()
    cloud: str = ""
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Switches:
    """How EPAC is called.

    Attributes:
        fail: -FailOnExemptionError: what is left out is an error.
        keep_not_scoped: -SkipNotScopedExemptions: a scope that its assignment leaves out is exempted all the same.
        stop: the error preference is Stop: any error of PowerShell ends the run.
        alone: -BuildExemptionsOnly: assignments and policies of the same repository are not planned besides.
    """

    fail: bool = False
    keep_not_scoped: bool = False
    stop: bool = False
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope of the tree.

    Attributes:
        label: a subscription's or management group's display name; "" where it is not known.
        parents: the keys of the scopes above it, up to the root scope; a key is an id in lower case.
    """

    id: str
    kind: ScopeKind
    label: str
    parents: frozenset[str]


@dataclass(frozen=True, slots=True)
class Assignment:
    """A policy assignment. `definition`: the id of the policy or initiative."""

    id: str
    name: str
    definition: str
    not_scopes: tuple[str, ...] = ()

    @property
    def scope(self) -> str:
        """The id of the scope that it is at."""
        return scope_of(self.id)


@dataclass(frozen=True, slots=True)
class Member:
    """A policy of an initiative, by the initiative's own reference id."""

    definition: str
    reference: str


@dataclass(frozen=True)
class World:
    """What is known of Azure and of the run.

    Attributes:
        environment: None where no settings say it.
        scopes: key -> scope, of all below the root scope that are known.
        assignments, initiatives: key -> what it is; definitions: the keys of policies.
        deployed: bodies of exemptions as Azure gives them, with dates as PowerShell reads them.
        resources: the keys of resources that exist.
        complete: what is none of these does not exist.
        plans_assignments, plans_definitions: the repository has assignments, or policies or initiatives, that EPAC
            plans in the same run.
        doubt: why it is not known whether EPAC looks at the files at all; "" where it does.
        unsettled: what is wrong with the settings, so that there is no environment; "" for nothing.
        unread: why not all files of the environment are known; "" where they are.
        looped: what is known says that the root scope is below itself.
        now: ticks of UTC at which EPAC plans.
    """

    runner: Runner
    now: int
    environment: Environment | None = None
    switches: Switches = field(default_factory=Switches)
    scopes: Mapping[str, Scope] = field(default_factory=dict)
    assignments: Mapping[str, Assignment] = field(default_factory=dict)
    definitions: frozenset[str] = frozenset()
    initiatives: Mapping[str, Sequence[Member]] = field(default_factory=dict)
    deployed: tuple[Mapping[str, Any], ...] = ()
    resources: frozenset[str] = frozenset()
    complete: bool = False
    plans_assignments: bool = False
    plans_definitions: bool = False
    looped: bool = False
    doubt: str = ""
    unsettled: str = ""
    unread: str = ""

    @property
    def settings(self) -> Environment:
        """The environment. Raises Uncertain where it is not known."""
        if self.environment is None:
            raise Uncertain(self.unsettled or _NO_SETTINGS)
        return self.environment

    def find_scope(self, scope: str) -> Scope | None:
        """Return a scope of the tree, None where it is none. Raises Uncertain where the tree is not known."""
        if self.looped:
            raise Uncertain(f"{self.settings.root} is below itself, by what --azure gives")
        found = self.scopes.get(scope.lower())
        if found is None and not self.complete:
            raise Uncertain(f"whether EPAC's tree has this scope is not known; {GIVE}")
        return found

    def scopes_like(self, pattern: str) -> list[Scope]:
        """Return the scopes of the tree whose ids are like a pattern, in its order. Raises Uncertain."""
        ids, begin = like(pattern), pattern[: _LITERAL.match(pattern).end()].lower()  # type: ignore[union-attr]
        names, numbers = self._sorted
        near = numbers[bisect_left(names, begin) : bisect_left(names, begin + "\x80")]
        scopes = self._listed
        return [one for one in map(scopes.__getitem__, sorted(near + self._rare)) if ids.fullmatch(one.id)]

    @cached_property
    def _listed(self) -> list[Scope]:
        return [*self.scopes.values()]

    @cached_property
    def _rare(self) -> list[int]:
        """Which scopes have ids with rare characters, whose letter case is not that of `lower`."""
        return [at for at, one in enumerate(self._listed) if not one.id.isascii()]

    @cached_property
    def _sorted(self) -> tuple[list[str], list[int]]:
        """The ids of the others in lower case, sorted, and which scopes these are."""
        some = sorted((one.id.lower(), at) for at, one in enumerate(self._listed) if one.id.isascii())
        return [name for name, _ in some], [at for _, at in some]

    def is_excluded(self, scope: Scope) -> bool:
        """Whether EPAC leaves out all assignments at a scope, by its settings."""
        return scope.id.lower() in self._excluded

    @cached_property
    def _excluded(self) -> frozenset[str]:
        settings = self.settings
        if not (settings.not_scopes or settings.excluded or settings.no_subscriptions):
            return frozenset()
        own = {key for key, scope in self.scopes.items() if _excluded_itself(scope, settings)}
        return frozenset(key for key, scope in self.scopes.items() if key in own or own & scope.parents)

    def reads_definition(self, identity: str) -> bool:
        """Whether EPAC reads a policy or initiative, if there is one: of those at other scopes it knows nothing.

        Raises Uncertain.
        """
        if is_builtin(identity):
            return True
        settings, at = self.settings, scope_of(identity)
        if at.lower() != settings.root.lower():
            if not settings.child_definitions:
                return False
            scope = self.find_scope(at)
            if scope is None or self.is_excluded(scope):
                return False
        is_set = _INITIATIVE in identity.lower()
        return not like_any(settings.excluded_initiatives if is_set else settings.excluded_policies, identity)

    @cached_property
    def known_assignments(self) -> Mapping[str, Assignment]:
        """Those that EPAC reads, by key: at scopes of its tree that it does not leave out."""
        found: dict[str, Assignment] = {}
        patterns = self.settings.excluded_assignments
        for key, assignment in sorted(self.assignments.items()):
            scope = self.scopes.get(assignment.scope.lower())
            if scope and not self.is_excluded(scope) and not like_any(patterns, assignment.id):
                found[key] = assignment
        return found


GIVE: Final = "give it with --azure, and say --azure-complete"


def _excluded_itself(scope: Scope, settings: Environment) -> bool:
    """Whether a pattern names a scope. Resource groups are left out by globalNotScopes alone, whatever is written."""
    if scope.kind is ScopeKind.SUBSCRIPTION and settings.no_subscriptions:
        return True
    if scope.id.lower() == settings.root.lower():
        return False
    patterns = [*settings.not_scopes, *(() if scope.kind is ScopeKind.RESOURCE_GROUP else settings.excluded)]
    for pattern in patterns:
        if scope.kind is ScopeKind.SUBSCRIPTION and "/subscriptions/subscriptionspattern/" in pattern.lower():
            if _names(pattern, scope):
                return True
        elif _kind_of(pattern) is scope.kind and like(pattern).fullmatch(scope.id):
            return True
    return False


def _names(pattern: str, scope: Scope) -> bool:
    """Whether the last part of a pattern of names is in a subscription's name, as a regular expression."""
    part = pattern.rpartition("/")[2]
    if part.startswith(("*", "?")):
        return False  # .NET has an error on it, and EPAC goes on
    if not (0 < len(scope.label) <= _LONGEST_NAME and _PLAIN_NAME.fullmatch(part)):
        raise Uncertain("which subscriptions EPAC leaves out by this pattern is not known")
    return re.search(part, scope.label, re.IGNORECASE) is not None


def _kind_of(pattern: str) -> ScopeKind:
    if not pattern.startswith("/subscriptions/"):
        return ScopeKind.GROUP
    return ScopeKind.RESOURCE_GROUP if "/resourcegroups/" in pattern.lower() else ScopeKind.SUBSCRIPTION


def scope_of(identity: str) -> str:
    """Return the scope that EPAC cuts out of the id of a policy object: without its last four segments."""
    return "/".join(identity.split("/")[:-4])


def is_builtin(identity: str) -> bool:
    """Whether EPAC takes an id for one of the whole tenant, by the number of its segments."""
    return identity.count("/") == 4


def like_any(patterns: Iterable[str], text: str) -> bool:
    """Whether a text is like one of some patterns."""
    return any(like(one).fullmatch(text) for one in patterns)


def keys(ids: Iterable[str]) -> frozenset[str]:
    """Return ids in lower case."""
    return frozenset(one.lower() for one in ids)
