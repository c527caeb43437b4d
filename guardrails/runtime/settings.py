"""The app settings: typed, checked all at once, and documented where they are declared."""

import logging
import os
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from guardrails.decisions.schedule import longest_gap
from guardrails.errors import Misconfigured
from guardrails.runtime.clouds import PUBLIC, cloud_of

RETIRED: Final = {"GUARDRAILS_FACTS_MINUTES": "GUARDRAILS_CACHE_MINUTES"}
"""A setting's old name, which works until 1.0 -> its name of today."""

_LOG = logging.getLogger("guardrails")
_HOURLY = "0 10 * * * *"


def _setting(name: str, default: str, doc: str, *, secret: bool = False, sample: str = "") -> Any:
    return field(default=default, metadata={"name": name, "doc": doc, "secret": secret, "sample": sample})


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says. Addresses of routes are not here: the ruleset names the settings that hold them."""

    storage: str = _setting(
        "AzureWebJobsStorage",
        "",
        "Connection string of the storage account for tables and queues. Leave it out to use an identity.",
        secret=True,
        sample="UseDevelopmentStorage=true",
    )
    storage_account: str = _setting(
        "AzureWebJobsStorage__accountName", "", "Name of the storage account, for access by identity in public Azure."
    )
    table_uri: str = _setting(
        "AzureWebJobsStorage__tableServiceUri", "", "Table endpoint, for access by identity; goes before accountName."
    )
    queue_uri: str = _setting(
        "AzureWebJobsStorage__queueServiceUri", "", "Queue endpoint, for access by identity; goes before accountName."
    )
    storage_client_id: str = _setting(
        "AzureWebJobsStorage__clientId", "", "Client id of the user-assigned identity that may use the storage account."
    )
    ruleset: str = _setting(
        "GUARDRAILS_RULESET",
        "",
        "Path of the ruleset file; in Azure relative to the app's folder. Empty: the ruleset shipped.",
    )
    criteria: str = _setting(
        "GUARDRAILS_CRITERIA",
        "",
        "Path of a table of criteria that `exg criteria build` wrote, as the ruleset's. Empty: the table shipped.",
    )
    mode: str = _setting(
        "GUARDRAILS_MODE",
        "",
        "`audit` holds the service at audit, whatever the ruleset says. Empty: the ruleset decides.",
    )
    arm_endpoint: str = _setting(
        "GUARDRAILS_ARM_ENDPOINT",
        "https://management.azure.com",
        "Azure Resource Manager; another in sovereign clouds.",
    )
    arm_audience: str = _setting(
        "GUARDRAILS_ARM_AUDIENCE", "", "Token audience where it differs from the Resource Manager's address."
    )
    client_id: str = _setting(
        "GUARDRAILS_CLIENT_ID",
        "",
        "Client id of a user-assigned identity. Empty: the system-assigned one, or your login.",
    )
    exemptions_version: str = _setting(
        "GUARDRAILS_EXEMPTIONS_API_VERSION",
        "2026-01-01-preview",
        "api-version for policy exemptions: the newest the cloud has, for a PUT with an older one drops newer fields.",
    )
    policy_version: str = _setting(
        "GUARDRAILS_POLICY_API_VERSION",
        "2025-03-01",
        "api-version for policy assignments, initiatives and definitions. Where a cloud lacks it, the newest that its "
        "answer names is used; none before 2023-04-01 says which version of an initiative is pinned.",
    )
    change_reference: str = _setting(
        "GUARDRAILS_CHANGE_REFERENCE",
        "",
        "Change reference that goes with every request for a policy token, for policies that want one. Empty: none; "
        "a write for which one is wanted is `cannot-act`.",
    )
    table: str = _setting("GUARDRAILS_TABLE", "guardrails", "Name of the register's table; it is made when missing.")
    budget_seconds: str = _setting(
        "GUARDRAILS_EVENT_BUDGET_SECONDS",
        "20",
        "Seconds that an event may take before it goes on the queue; at most 25.",
    )
    cache_minutes: str = _setting(
        "GUARDRAILS_CACHE_MINUTES", "10", "Minutes that assignments, initiatives and policies are kept in memory."
    )
    sweep_scopes: str = _setting(
        "GUARDRAILS_SWEEP_SCOPES",
        "",
        "Management groups (names) and subscriptions (ids) to sweep, comma-separated; `mg~NAME` is always a group, as "
        "the root one, whose name is an id. Empty: all that can be seen.",
    )
    sweep_schedule: str = _setting(
        "GUARDRAILS_SWEEP_SCHEDULE", _HOURLY, "When to sweep: second minute hour day month weekday, UTC."
    )
    doctor_at_start: str = _setting(
        "GUARDRAILS_DOCTOR_AT_START", "", "`false`: the app checks itself once a day only, and not at each start too."
    )
    activity_hub: str = _setting(
        "GUARDRAILS_ACTIVITY_HUB",
        "",
        "Event Hub with the activity log of management groups, whose exemptions raise no events. Empty: off.",
    )
    activity_namespace: str = _setting(
        "GUARDRAILS_ACTIVITY_HUB_CONNECTION__fullyQualifiedNamespace",
        "",
        "Namespace of that hub, such as contoso.servicebus.windows.net; the Functions host reads it, by identity.",
    )
    portal: str = _setting(
        "GUARDRAILS_PORTAL",
        PUBLIC.portal,
        "The portal that notices and reports link to. Unset in a sovereign cloud: that cloud's own.",
    )
    microsoft_graph: str = _setting(
        "GUARDRAILS_MICROSOFT_GRAPH_ENDPOINT",
        PUBLIC.microsoft_graph,
        "Microsoft Graph, which `scan --names` asks for display names. Unset in a sovereign cloud: that cloud's own; "
        "for the US Department of Defense set https://dod-graph.microsoft.us.",
    )
    docs: str = _setting(
        "GUARDRAILS_DOCS",
        "",
        "Address of a copy of this project's docs folder; the scan's page links rule pages below it. Empty: no such "
        "links; the page explains each rule itself.",
    )
    allowed_hosts: str = _setting(
        "GUARDRAILS_ALLOWED_HOSTS",
        "",
        "Hosts of notice routes, comma-separated, that may resolve to private addresses; all others may not.",
    )
    alert_address: str = _setting(
        "GUARDRAILS_ALERT_TEAMS_URL",
        "",
        "Teams Workflows address that hears when the ruleset itself is broken and so cannot name a route.",
        secret=True,
    )
    allow_loopback: str = _setting(
        "GUARDRAILS_ALLOW_LOOPBACK",
        "",
        "`true` lets notices go to http addresses on this machine. For the sandbox only.",
    )

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None, *, storage: bool = True) -> "Settings":
        """Read them from the environment. Raises Misconfigured naming every mistake. Old names are noted in the log.

        `storage`: whether a storage account must be named; reading Azure alone needs none.
        """
        environ, problems = _with_names_of_today(os.environ if environ is None else environ)
        said = {item.name: environ.get(item.metadata["name"], _default(item)).strip() for item in fields(cls)}
        cloud = cloud_of(said["arm_endpoint"])
        said["portal"] = environ.get("GUARDRAILS_PORTAL", cloud.portal).strip()
        said["microsoft_graph"] = environ.get("GUARDRAILS_MICROSOFT_GRAPH_ENDPOINT", cloud.microsoft_graph).strip()
        settings = cls(**{name: "" if is_reference(value) else value for name, value in said.items()})
        problems += settings._problems(storage=storage)
        if problems:
            raise Misconfigured(
                "the app settings have mistakes; nothing is done",
                code="settings-broken",
                remedy="Fix the settings below; docs/settings.md lists them all.",
                problems=tuple(problems),
            )
        return settings

    def _problems(self, *, storage: bool) -> list[str]:
        problems = []
        if storage and not (self.storage or self.storage_account or (self.table_uri and self.queue_uri)):
            problems.append(
                "AzureWebJobsStorage: no storage account: give a connection string, AzureWebJobsStorage__accountName,"
                " or AzureWebJobsStorage__tableServiceUri and __queueServiceUri"
            )
        if self.activity_hub and not self.activity_namespace:
            problems.append(
                "GUARDRAILS_ACTIVITY_HUB: a hub without GUARDRAILS_ACTIVITY_HUB_CONNECTION__fullyQualifiedNamespace;"
                " give both, or neither"
            )
        if self.mode not in ("", "audit"):
            problems.append(
                f"GUARDRAILS_MODE: '{self.mode}' is not allowed; it is empty or audit (enforce: in the ruleset)"
            )
        for name, value in (
            ("GUARDRAILS_ARM_ENDPOINT", self.arm_endpoint),
            ("GUARDRAILS_PORTAL", self.portal),
            ("GUARDRAILS_MICROSOFT_GRAPH_ENDPOINT", self.microsoft_graph),
            *([("GUARDRAILS_DOCS", self.docs)] if self.docs else []),
        ):
            if not _is_address(value):
                problems.append(f"{name}: '{value}' is not an https address (http is for this machine only)")
        for name, number, most in (
            ("GUARDRAILS_EVENT_BUDGET_SECONDS", self.budget_seconds, 25.0),
            ("GUARDRAILS_CACHE_MINUTES", self.cache_minutes, 1440.0),
        ):
            if not _is_number(number) or not 0 < float(number) <= most:
                problems.append(f"{name}: '{number}' is not a number over 0 and up to {most:g}")
        try:
            _ = self.sweep_period
        except ValueError as error:
            problems.append(f"GUARDRAILS_SWEEP_SCHEDULE: '{self.sweep_schedule}' is not a schedule: {error}")
        if not (
            self.table.isascii() and self.table.isalnum() and 3 <= len(self.table) <= 63 and self.table[0].isalpha()
        ):
            problems.append(
                f"GUARDRAILS_TABLE: '{self.table}' is not a table name: 3 to 63 of a-z, A-Z and 0-9, no digit first"
            )
        return problems

    @property
    def sweep_period(self) -> timedelta:
        """The longest time between two sweeps by their schedule."""
        return longest_gap(self.sweep_schedule or _HOURLY)

    @property
    def table_endpoint(self) -> str:
        """Where the table is, for access by identity."""
        return self.table_uri or f"https://{self.storage_account}.table.core.windows.net"

    @property
    def queue_endpoint(self) -> str:
        """Where the queues are, for access by identity."""
        return self.queue_uri or f"https://{self.storage_account}.queue.core.windows.net"

    @property
    def listed_scopes(self) -> tuple[str, ...]:
        """The management groups and subscriptions to sweep; () for all that can be seen."""
        return tuple(scope.strip() for scope in self.sweep_scopes.split(",") if scope.strip())

    def __repr__(self) -> str:
        """Show no secret."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        hidden = {item.name for item in fields(self) if item.metadata["secret"] and values[item.name]}
        return f"Settings({', '.join(f'{k}=***' if k in hidden else f'{k}={v!r}' for k, v in values.items())})"


def _with_names_of_today(environ: Mapping[str, str]) -> tuple[Mapping[str, str], list[str]]:
    """Return the environment with the names of today, and where an old name says something else than its new one."""
    made, problems = dict(environ), []
    for old, new in RETIRED.items():
        before, now = (environ.get(name, "").strip() for name in (old, new))
        if not before:
            continue
        _LOG.warning("the setting %s is now %s; the old name works until 1.0", old, new)
        if now and now != before:
            problems.append(f"{new}: it is set, and so is {old}, its old name, with another value; take {old} away")
        made[new] = now or before
    return made, problems


def is_reference(value: str) -> bool:
    """Whether a setting is a reference to a key vault that was not resolved: its secret is not there yet."""
    return value.strip().lower().startswith("@microsoft.keyvault")


def _default(item: "Field[Any]") -> str:
    return "" if item.default is MISSING else str(item.default)


def _is_address(text: str) -> bool:
    """Whether it is an https address, or an http one on this machine."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port  # to ask for a port that is none raises
    except ValueError:
        return False
    local = host in ("127.0.0.1", "localhost", "::1")
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and local))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
