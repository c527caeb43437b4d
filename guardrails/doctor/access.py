"""Checks of who we are and what we may do in Azure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from guardrails.azure.estate import STORAGE_SCOPE, informed
from guardrails.doctor.model import Finding, failed, passed, unknown
from guardrails.doctor.needs import actions_of, allows, roles_for
from guardrails.doctor.world import World
from guardrails.exemption.facts import Unread

PERMISSIONS_VERSION: Final = "2022-04-01"
"""The reference (Permissions - List For Resource Group) names resource groups and resources; Azure answers at
subscriptions and management groups too. Where it does not, the answer here is unknown."""

_ASSIGN: Final = "Assign the role to the identity there (infra/management-group.bicep; docs/permissions.md)"
_RULESET: Final = "Fix the ruleset; see: exg doctor --only ruleset"
_IDENTITY: Final = (
    "In Azure, assign the identity to the function app, and set GUARDRAILS_CLIENT_ID to its client id."
    " Elsewhere, run: az login"
)


async def identity(world: World) -> list[Finding]:
    """We get tokens, and are whom we should be."""
    claims = await world.estate.claims()
    found = [_known(claims, "Resource Manager")]
    if world.storage is not None:
        found.append(_known(await informed(world.storage, STORAGE_SCOPE), "storage"))
    return found if isinstance(claims, Unread) else [*found, *_whether_ours(world, claims)]


def _known(claims: Mapping[str, Any] | Unread, what: str) -> Finding:
    if isinstance(claims, Unread):
        return failed(claims.reason, _IDENTITY, about=what)
    oid, appid, tenant = (str(claims.get(name) or "not known") for name in ("oid", "appid", "tid"))
    return passed(f"a token for object {oid}, application {appid}, tenant {tenant}", about=what)


def _whether_ours(world: World, claims: Mapping[str, Any]) -> list[Finding]:
    """Say whose permissions the other checks see: the function app's, or somebody's own."""
    wanted = (world.settings.client_id, str(claims.get("appid") or ""))
    wanted = wanted if all(wanted) else (world.environ.get("GUARDRAILS_PRINCIPAL_ID", ""), str(claims.get("oid") or ""))
    same = wanted[0].lower() == wanted[1].lower()
    if world.hosted:
        if all(wanted) and not same:
            return [failed("it differs from the identity in the settings", _IDENTITY, about="who")]
        return [passed("the function app's own identity", about="who")]
    if all(wanted) and same:
        return [passed("the identity that the function app runs as", about="who")]
    remediation = "The app checks itself at each start and once a day. See the workbook, or the event doctor in its log"
    return [unknown("this is your own login; the permissions of the function app may differ", remediation, about="who")]


async def permissions(world: World) -> list[Finding]:
    """The identity may do, wherever it sees anything, what the mode in force asks for."""
    ruleset = world.ruleset()
    roles = roles_for(ruleset, world.mode(ruleset)) if ruleset else ("reader",)
    found = (
        [] if ruleset else [unknown("the mode is unknown, so only the permissions for reading were checked", _RULESET)]
    )
    scopes = await world.estate.scopes()
    found += [unknown(sentence, _ASSIGN) for sentence in scopes.missing]
    found += _unseen(world, (*scopes.subscriptions, *scopes.groups))
    groups = set(scopes.groups)
    every = (*scopes.groups, *scopes.subscriptions)
    asked, late = await world.asked_of(every, lambda scope: _ask(world, scope), "permissions")
    answers = [(scope, _judge(scope, rows, roles, group=scope in groups)) for scope, rows in asked.items()]
    if not every and not scopes.missing:
        found.append(failed("the identity sees no subscription and no management group", _ASSIGN))
    right = [scope for scope, answer in answers if not answer]
    if right:
        asks = len(actions_of(roles, group=True))
        found.append(passed(f"{len(right)} of {len(every)} scopes allow all {asks} actions of {_listed(roles)}"))
    return [*found, *late, *(finding for _, answer in answers for finding in answer)]


async def _ask(world: World, scope: str) -> Sequence[Mapping[str, Any]] | Unread:
    return await world.estate.rows(f"{scope}/providers/Microsoft.Authorization/permissions", PERMISSIONS_VERSION)


def _judge(
    scope: str, rows: Sequence[Mapping[str, Any]] | Unread, roles: Sequence[str], *, group: bool
) -> list[Finding]:
    """Return what is wrong with the permissions at a scope; [] where nothing is."""
    if isinstance(rows, Unread):
        remediation = "The role reader has Microsoft.Authorization/permissions/read for it. " + _ASSIGN
        return [unknown(f"the permissions are unknown: {rows.reason}", remediation, about=scope)]
    answers = {action: (allows(rows, action), role) for action, role in actions_of(roles, group=group).items()}
    lacking = [f"{action} ({role})" for action, (answer, role) in answers.items() if answer is False]
    unclear = [f"{action} ({role})" for action, (answer, role) in answers.items() if answer is None]
    found = []
    if lacking:
        found.append(failed(f"not allowed: {', '.join(lacking)}", _ASSIGN, about=scope))
    if unclear:
        remediation = "Assign the role without a condition, or make sure that the condition is met"
        found.append(unknown(f"allowed only with a condition: {', '.join(unclear)}", remediation, about=scope))
    return found


def _unseen(world: World, seen: Sequence[str]) -> list[Finding]:
    """Return a finding for each scope that is to be swept and is not seen."""
    names = {scope.lower().rpartition("/")[2] for scope in seen}
    listed = world.settings.listed_scopes
    text = "GUARDRAILS_SWEEP_SCOPES lists it, but it does not exist, or the identity does not see it"
    remediation = _ASSIGN + ", or remove it from the list"
    return [failed(text, remediation, about=one) for one in listed if one.lower().removeprefix("mg~") not in names]


def _listed(roles: Sequence[str]) -> str:
    return " and ".join((", ".join(roles[:-1]), roles[-1]) if len(roles) > 1 else roles)
