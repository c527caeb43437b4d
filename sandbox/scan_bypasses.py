"""The bypasses that are no exemptions, in the tenant of `make scan-demo`: some of each, sound and unsound."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import yaml

from guardrails.bypasses.model import BypassKind
from guardrails.ruleset.model import DEFAULT_PATH
from sandbox.arm import changes
from sandbox.arm.server import Arm
from sandbox.arm.target import parse

AUTH: Final = "/providers/Microsoft.Authorization"
MG: Final = "/providers/Microsoft.Management/managementGroups/"
APPROVED: Final = ("EXC-1041", "EXC-1058", "EXC-1077")
AUTHOR: Final = "jo.meyer@contoso.com"
BARE: Final = frozenset({"EXG501", "EXG502", "EXG503"})
"""What is found on a bypass about which its assignment says nothing."""


class Expected(NamedTuple):
    """A bypass that the scan must find: the name of the assignment or tagged resource, and the keys of its findings."""

    kind: BypassKind
    scope: str
    name: str
    keys: frozenset[str]


def furnish_bypasses(arm: Arm, now: datetime, subscriptions: dict[str, str], hostile: str) -> list[Expected]:
    """Put them into ARM. `subscriptions`: ids by name. Returns what is to be found."""
    return [*_assigned(arm, now, subscriptions), *_tagged(arm, now, subscriptions, hostile)]


def ruleset(owner: str) -> str:
    """Return the shipped ruleset with what this tenant knows of its exceptions."""
    rules = yaml.safe_load(DEFAULT_PATH.read_text(encoding="utf-8"))
    rules["bypasses"] = {
        "approved": list(APPROVED),
        "accepted": [{"scope": f"{MG}sandboxes", "reason": f"nothing but experiments, by {owner}"}],
    }
    return str(yaml.safe_dump(rules, sort_keys=False))


def _assigned(arm: Arm, now: datetime, subscriptions: dict[str, str]) -> Iterator[Expected]:
    """Change the two baselines, and assign some more policies."""
    group = f"{subscriptions['payments-test']}/resourceGroups/rg-batch"
    _change(
        arm, f"{MG}contoso", "storage-baseline", {"notScopes": [f"{MG}sandboxes", group], "metadata": _signed(now, 200)}
    )
    yield Expected(BypassKind.NOT_SCOPE, f"{MG}sandboxes", "storage-baseline", BARE)
    yield Expected(BypassKind.NOT_SCOPE, group, "storage-baseline", BARE)

    chosen = [{"kind": "policyDefinitionReferenceId", "in": ["requireBackup"]}]
    overrides = [
        {"kind": "policyEffect", "value": "Audit", "selectors": chosen},
        {"kind": "definitionVersion", "value": "2.*.*"},
    ]
    off = {"effectDenyPublicIp": {"value": "Disabled"}, "effectAllowedImages": {"value": "Deny"}}
    signed = _said(now, ends=200)
    _change(arm, f"{MG}contoso", "compute-baseline", {"overrides": overrides, "parameters": off, "metadata": signed})
    yield Expected(BypassKind.OVERRIDE, f"{MG}contoso", "compute-baseline", frozenset())
    yield Expected(BypassKind.DISABLED, f"{MG}contoso", "compute-baseline", frozenset())

    _assign(arm, f"{MG}corp", "tagging-rules", {"enforcementMode": "DoNotEnforce", "metadata": _said(now)})
    yield Expected(BypassKind.NOT_ENFORCED, f"{MG}corp", "tagging-rules", frozenset({"EXG503"}))
    lake = subscriptions["data-lake-prod"]
    ended = {"enforcementMode": "DoNotEnforce", "metadata": _said(now, ends=-40)}
    _assign(arm, lake, "diagnostic-settings", ended)
    yield Expected(BypassKind.NOT_ENFORCED, lake, "diagnostic-settings", frozenset({"EXG504"}))
    _assign(arm, f"{MG}sandboxes", "lab-rules", {"enforcementMode": "DoNotEnforce", "metadata": _signed(now, 90)})
    yield Expected(BypassKind.NOT_ENFORCED, f"{MG}sandboxes", "lab-rules", BARE)

    regions = [{"name": "Europe", "selectors": [{"kind": "resourceLocation", "in": ["westeurope", "northeurope"]}]}]
    _assign(arm, f"{MG}online", "network-rules", {"resourceSelectors": regions, "metadata": _said(now, ends=90)})
    yield Expected(BypassKind.SELECTOR, f"{MG}online", "network-rules", frozenset())
    _assign(arm, f"{MG}online", "edge-rules", {"resourceSelectors": regions, "metadata": _signed(now, 33)})
    yield Expected(BypassKind.SELECTOR, f"{MG}online", "edge-rules", BARE)

    alone = {"selfServeExemptionSettings": {"enabled": True, "policyDefinitionReferenceIds": ["denySharedKey"]}}
    _assign(arm, f"{MG}platform", "key-vault-rules", {**alone, "metadata": _signed(now, 12)})
    yield Expected(BypassKind.SELF_SERVE, f"{MG}platform", "key-vault-rules", BARE)


def _tagged(arm: Arm, now: datetime, subscriptions: dict[str, str], hostile: str) -> Iterator[Expected]:
    """Tag groups and resources as tag-driven exceptions."""
    later, past = _day(now, 75), _day(now, -30)
    lake, shop = f"{subscriptions['data-lake-prod']}/resourceGroups", f"{subscriptions['shop-prod']}/resourceGroups"
    account, site = "providers/Microsoft.Storage/storageAccounts", "providers/Microsoft.Web/sites"
    cases: tuple[tuple[str, dict[str, str], set[str]], ...] = (
        (f"{lake}/rg-ingestion", _tags(APPROVED[0], "SEC-2201", later), set()),
        (f"{lake}/rg-ingestion/{account}/stlanding01", _tags(APPROVED[0], "SEC-2201", later), set()),
        (f"{lake}/rg-ingestion/{account}/stlanding02", _tags(APPROVED[0], "SEC-2201", later), set()),
        (f"{lake}/rg-reporting/{account}/streports", _tags(APPROVED[1], "SEC-2214", past), {"EXG504"}),
        (f"{shop}/rg-web/{site}/shop-legacy", _tags(APPROVED[2], "", later), {"EXG501"}),
        (f"{shop}/rg-web/{site}/shop-preview", _tags("EXC-9999", "SEC-2290", later), {"EXG505"}),
        (f"{shop}/rg-api/{site}/shop-api", _tags("", "SEC-2300", ""), {"EXG503", "EXG505"}),
        (f"{shop}/rg-api/{site}/shop-hooks", _tags(APPROVED[2], "SEC-2301", "after the move"), {"EXG503?"}),
        (f"{shop}/rg-batch/{site}/shop-import", _tags(hostile, hostile, later), {"EXG505"}),
    )
    for identity, _, _ in cases:
        arm.seed("/".join(identity.split("/")[:5]), {"location": "westeurope"})
    for number, (identity, tags, keys) in enumerate(cases):
        arm.seed(identity, {"location": "westeurope", "tags": {**tags, "owner": "web-shop@contoso.com"}})
        if number % 3:  # the others were tagged before the days that Azure remembers
            change = {f"tags.{name}": {"previousValue": None, "newValue": value} for name, value in tags.items()}
            changes.add(arm.store, parse(identity), AUTHOR, now - timedelta(days=number, hours=3), change)
        yield Expected(BypassKind.TAG, identity, identity.rpartition("/")[2], frozenset(keys))


def _change(arm: Arm, scope: str, name: str, properties: dict[str, Any]) -> None:
    entry = arm.store.entries[f"{scope}{AUTH}/policyAssignments/{name}".lower()]
    arm.seed(entry.target.id, {"properties": {**entry.body["properties"], **properties}})


def _assign(arm: Arm, scope: str, name: str, properties: dict[str, Any]) -> None:
    definition = arm.seed(f"{AUTH}/policyDefinitions/{name}", {"properties": {"displayName": name}})
    shown = name.replace("-", " ").capitalize()
    arm.seed(
        f"{scope}{AUTH}/policyAssignments/{name}",
        {"properties": {"displayName": shown, "policyDefinitionId": definition, **properties}},
    )


def _said(now: datetime, *, ends: int | None = None) -> dict[str, str]:
    """Return the metadata of an assignment that says who approved it, when it is reviewed, and when it ends."""
    said = {
        "ticket": "SEC-1200", "owner": "network@contoso.com", "reviewDate": _day(now, 45),
        **_signed(now, 60),
    }  # fmt: skip
    return said if ends is None else {**said, "expiresOn": f"{_day(now, ends)}T00:00:00Z"}


def _signed(now: datetime, days: int) -> dict[str, str]:
    """Return what Azure itself notes in an assignment's metadata."""
    return {"updatedBy": AUTHOR, "updatedOn": f"{_day(now, -days)}T09:00:00.0000000Z"}


def _tags(exception: str, ticket: str, expiry: str) -> dict[str, str]:
    given = {"policyExceptionId": exception, "exceptionTicket": ticket, "exceptionExpiry": expiry}
    return {name: value for name, value in given.items() if value}


def _day(now: datetime, days: int) -> str:
    return (now + timedelta(days=days)).date().isoformat()
