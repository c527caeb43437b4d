"""Checks of the service itself: settings, ruleset, versions, clock."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from guardrails.azure.policies import ASSIGNMENTS, INITIATIVES
from guardrails.doctor.interpreter import interpreters
from guardrails.doctor.model import Finding, failed, informed, passed, unknown
from guardrails.doctor.routes import unfit
from guardrails.doctor.world import World
from guardrails.errors import Misconfigured
from guardrails.exemption.facts import Unread
from guardrails.exemption.versions import PINS_SINCE
from guardrails.ruleset.model import Mode

MOST_SKEW: Final = timedelta(seconds=60)

_NAMESPACE: Final = "Microsoft.Authorization"
_TYPE: Final = "policyExemptions"
_VERSION_SETTING: Final = "GUARDRAILS_EXEMPTIONS_API_VERSION"
_POLICY_TYPES: Final = (ASSIGNMENTS, INITIATIVES)
_POLICY_SETTING: Final = "GUARDRAILS_POLICY_API_VERSION"
_SHOWN: Final = 4
_NAME_AUTHORS: Final = "Name the tool's identities as its `authors`: docs/ruleset.md#owners"
_ENDED: Final = "exg rules --counts shows what each would match"
_NAMES: Final = "docs/migration.md lists old and new names"
_PATTERNS: Final = "docs/ruleset.md#patterns explains patterns, and how to change to version 2"


async def settings(world: World) -> list[Finding]:
    """Every setting is right, those included that the ruleset's routes name."""
    try:
        places = world.destinations().values()
    except Misconfigured:
        return [unknown("the ruleset is broken, so the settings of its routes are unknown", "Fix the ruleset")]
    wrong = [unfit(world, place) for place in places]
    return [one for one in wrong if one] or [passed("all are correct, including those of the routes")]


def broken(error: Misconfigured) -> list[Finding]:
    """Return what is wrong with settings that cannot even be read."""
    remediation = error.remedy or "docs/settings.md lists all settings"
    return [failed(problem, remediation, about=error.subject) for problem in error.problems or (error.message,)]


async def ruleset(world: World) -> list[Finding]:
    """The ruleset loads; which mode is in force."""
    try:
        found = world.service.ruleset()
    except Misconfigured as error:
        lines = "; ".join((error.message, *error.problems))
        return [failed(lines, error.remedy or "exg rules --ruleset FILE shows each mistake")]
    held = " (GUARDRAILS_MODE keeps it in audit)" if world.settings.mode else ""
    mode = world.mode(found)
    seen = f"{found.source}, digest {found.digest}: mode {found.mode}{held}"
    seen = "; ".join([f"{seen}; the service changes nothing in Azure" if mode is Mode.AUDIT else seen, *found.gaps])
    in_force = passed(seen, remediation=_NAME_AUTHORS if found.gaps else "")
    ended = [("", one) for one in found.ended(world.clock.now())]
    notes = [passed(one, remediation=_NAMES if one in found.retired else _PATTERNS) for one in found.warnings]
    return [in_force, *notes, *informed(ended, _ENDED)]


async def versions(world: World) -> list[Finding]:
    """Python is the one that this is made for, and Azure takes our api-versions."""
    found = await interpreters(world)
    provider = await world.estate.provider(_NAMESPACE)
    return [*found, _of_exemptions(world, provider), *await _of_policies(world, provider)]


def _of_exemptions(world: World, provider: Mapping[str, Any] | Unread) -> Finding:
    version, about = world.settings.exemptions_version, "api-version"
    if isinstance(provider, Unread):
        remediation = f"Compare {_VERSION_SETTING} with: az provider show --namespace {_NAMESPACE}"
        return unknown(f"it is unknown whether Azure has {version}: {provider.reason}", remediation, about=about)
    known = _offered(provider, _TYPE)
    if not known:
        remediation = f"Compare {_VERSION_SETTING} with Microsoft's reference of {_TYPE}"
        return unknown(f"Azure lists no api-version of {_TYPE}", remediation, about=about)
    if version.lower() in (one.lower() for one in known):
        return passed(f"{version}, which this cloud has", about=about)
    return failed(f"this cloud does not have {version}", f"Set {_VERSION_SETTING}: {max(known)}", about=about)


async def _of_policies(world: World, provider: Mapping[str, Any] | Unread) -> list[Finding]:
    """Say by which api-versions assignments and initiatives are read; a list that was read shows that it works."""
    scopes = await world.estate.scopes()
    scope = next(iter((*scopes.subscriptions, *scopes.groups)), "")
    if not scope:
        remediation = "See the check permissions: the identity sees no scope"
        return [
            unknown("there is no scope to read assignments and initiatives at", remediation, about=_POLICY_TYPES[0])
        ]
    tried = await world.estate.policies.in_use(scope)
    return [_of_policy(kind, tried[kind], world.settings.policy_version, provider) for kind in _POLICY_TYPES]


def _of_policy(kind: str, used: str | Unread, wanted: str, provider: Mapping[str, Any] | Unread) -> Finding:
    known = [] if isinstance(provider, Unread) else sorted(_offered(provider, kind), reverse=True)
    offers = f"the cloud offers {', '.join(known[:_SHOWN])}" if known else "the versions of the cloud are unknown"
    if isinstance(used, Unread):
        remediation = f"Set {_POLICY_SETTING} to one that this cloud has; {offers}"
        return failed(f"Azure gives no list by {wanted}: {used.reason}", remediation, about=kind)
    if used < PINS_SINCE:
        remediation = f"Set {_POLICY_SETTING} to {PINS_SINCE} or later as soon as the cloud has it; {offers}"
        seen = (
            f"{used} is in use, which does not show the pinned version of an initiative: rules about its policies are"
            " unknown"
        )
        return unknown(seen, remediation, about=kind)
    if used != wanted:
        return passed(f"{used} is in use, because this cloud does not have {wanted}; {offers}", about=kind)
    return passed(f"{used} is in use; {offers}", about=kind)


def _offered(provider: Mapping[str, Any], kind: str) -> Sequence[str]:
    for one in provider.get("resourceTypes") or ():
        if isinstance(one, Mapping) and str(one.get("resourceType")).lower() == kind.lower():
            return [str(version) for version in one.get("apiVersions") or ()]
    return ()


async def clock(world: World) -> list[Finding]:
    """Our clock is Azure's, near enough: ends, signatures and leases are counted by it."""
    skew = await world.estate.skew()
    if isinstance(skew, Unread):
        return [unknown(f"Azure's time is unknown: {skew.reason}", "Check the network path to Azure Resource Manager")]
    seconds = abs(skew.total_seconds())
    seen = f"{seconds:.0f} s {'ahead of' if skew > timedelta() else 'behind'} Azure's"
    if seconds > MOST_SKEW.total_seconds():
        return [failed(f"ours is {seen}", "Set the clock with NTP. If a function app shows this, restart it")]
    return [passed(f"ours is {seen}, within {MOST_SKEW.total_seconds():.0f} s")]
