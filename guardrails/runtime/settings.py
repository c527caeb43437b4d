"""The app settings: typed, checked all at once, and documented where they are declared."""

import logging
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from guardrails.dataclass import MISSING, dataclass, field, fields
from guardrails.decisions.schedule import longest_gap
from guardrails.errors import Misconfigured
from guardrails.runtime.clouds import PUBLIC, cloud_of

RETIRED: Final = {"GUARDRAILS_FACTS_MINUTES": "GUARDRAILS_CACHE_MINUTES"}
"""A setting's old name, which works until 1.0 -> its name of today."""

_LOG = logging.getLogger("guardrails")
_HOURLY = "0 10 * * * *"
_LEAST_MONTHS: Final = 13
"""The least number of months that the record keeps sweeps: a year under audit, and the month in which it is audited."""


def _setting(name: str, default: str, doc: str, *, secret: bool = False, sample: str = "") -> Any:
    return field(default=default, metadata={"name": name, "doc": doc, "secret": secret, "sample": sample})


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says. Addresses of routes are not here: the ruleset names the settings that hold them."""

    storage: str = _setting(
        "AzureWebJobsStorage",
        "",
        "Connection string of the storage account for tables and queues. To use an identity, leave it out.",
        secret=True,
        sample="UseDevelopmentStorage=true",
    )
    storage_account: str = _setting(
        "AzureWebJobsStorage__accountName", "", "Name of the storage account, for access by identity in public Azure."
    )
    table_uri: str = _setting(
        "AzureWebJobsStorage__tableServiceUri", "", "Table endpoint, for access by identity; overrides accountName."
    )
    queue_uri: str = _setting(
        "AzureWebJobsStorage__queueServiceUri", "", "Queue endpoint, for access by identity; overrides accountName."
    )
    storage_client_id: str = _setting(
        "AzureWebJobsStorage__clientId", "", "Client id of the user-assigned identity for the storage account."
    )
    ruleset: str = _setting(
        "GUARDRAILS_RULESET",
        "",
        "Path of the ruleset file; in Azure relative to the folder of the app. Empty: the shipped ruleset.",
    )
    criteria: str = _setting(
        "GUARDRAILS_CRITERIA",
        "",
        "Path of a table from `exg criteria build`; in Azure relative to the app's folder. Empty: the shipped table.",
    )
    mode: str = _setting(
        "GUARDRAILS_MODE",
        "",
        "`audit`: the service only audits, even if the ruleset has the mode `enforce`. Empty: the ruleset decides.",
    )
    arm_endpoint: str = _setting(
        "GUARDRAILS_ARM_ENDPOINT",
        "https://management.azure.com",
        "Address of Azure Resource Manager; sovereign clouds have another one.",
    )
    arm_audience: str = _setting(
        "GUARDRAILS_ARM_AUDIENCE", "", "Token audience, if it differs from the address of Azure Resource Manager."
    )
    client_id: str = _setting(
        "GUARDRAILS_CLIENT_ID",
        "",
        "Client id of a user-assigned identity. Empty: the system-assigned identity, or your login.",
    )
    exemptions_version: str = _setting(
        "GUARDRAILS_EXEMPTIONS_API_VERSION",
        "2026-01-01-preview",
        "api-version of policy exemptions. Use the newest of your cloud: a PUT with an older one drops newer fields.",
    )
    policy_version: str = _setting(
        "GUARDRAILS_POLICY_API_VERSION",
        "2025-03-01",
        "api-version of policy assignments, initiatives and definitions. If your cloud lacks it, the service uses the "
        "newest one that the cloud offers. Versions before 2023-04-01 do not show the pinned version of an initiative.",
    )
    change_reference: str = _setting(
        "GUARDRAILS_CHANGE_REFERENCE",
        "",
        "Change reference: text that identifies a change. Some policies refuse each write without a "
        "[policy token](prevention.md#policy-tokens). The service sends this text when it asks Azure for the token. If "
        "your policies require a change reference, set it: otherwise they refuse the service's writes (notice "
        "`cannot-act`).",
    )
    table: str = _setting(
        "GUARDRAILS_TABLE", "guardrails", "Name of the register's table. The service creates it if it is missing."
    )
    budget_seconds: str = _setting(
        "GUARDRAILS_EVENT_BUDGET_SECONDS",
        "20",
        "Seconds that the processing of an event may take; then the event goes on the queue. At most 25.",
    )
    cache_minutes: str = _setting(
        "GUARDRAILS_CACHE_MINUTES",
        "10",
        "Minutes that assignments, initiatives and policies stay in memory; at most 1,440.",
    )
    sweep_scopes: str = _setting(
        "GUARDRAILS_SWEEP_SCOPES",
        "",
        "Management groups (names) and subscriptions (ids) to sweep, separated by commas. The name of the root "
        "group looks like a subscription id: write it as `mg~NAME`. Empty: all scopes that the identity sees.",
    )
    sweep_schedule: str = _setting(
        "GUARDRAILS_SWEEP_SCHEDULE", _HOURLY, "Schedule of the sweep: second minute hour day month weekday, in UTC."
    )
    record_months: str = _setting(
        "GUARDRAILS_RECORD_MONTHS",
        "25",
        "Months for which the record keeps sweeps; at least 13, so that an audit finds a whole year.",
    )
    doctor_at_start: str = _setting(
        "GUARDRAILS_DOCTOR_AT_START",
        "",
        "The app checks itself once a day and at each start. `false`: only once a day.",
    )
    activity_hub: str = _setting(
        "GUARDRAILS_ACTIVITY_HUB",
        "",
        "Event Hub with the activity log of management groups, whose exemptions raise no events. Empty: off.",
    )
    activity_namespace: str = _setting(
        "GUARDRAILS_ACTIVITY_HUB_CONNECTION__fullyQualifiedNamespace",
        "",
        "Namespace of that hub, such as contoso.servicebus.windows.net. The Functions host connects with the identity "
        "of the app.",
    )
    portal: str = _setting(
        "GUARDRAILS_PORTAL",
        PUBLIC.portal,
        "Portal for links in notices and reports. By default, a sovereign cloud uses its own portal.",
    )
    microsoft_graph: str = _setting(
        "GUARDRAILS_MICROSOFT_GRAPH_ENDPOINT",
        PUBLIC.microsoft_graph,
        "Address of Microsoft Graph, which `scan --names` asks for display names. By default, a sovereign cloud uses "
        "its own address. For the US Department of Defense, set https://dod-graph.microsoft.us.",
    )
    docs: str = _setting(
        "GUARDRAILS_DOCS",
        "",
        "Address of a copy of the folder docs. The page of a scan links to the rules there. Empty: no links; the page "
        "explains each rule itself.",
    )
    allowed_hosts: str = _setting(
        "GUARDRAILS_ALLOWED_HOSTS",
        "",
        "Hosts of notice routes that may resolve to private addresses, separated by commas. Other hosts may not.",
    )
    alert_address: str = _setting(
        "GUARDRAILS_ALERT_TEAMS_URL",
        "",
        "Address of a Teams workflow for the notice `ruleset-broken`, because a broken ruleset names no route.",
        secret=True,
    )
    allow_loopback: str = _setting(
        "GUARDRAILS_ALLOW_LOOPBACK",
        "",
        "`true`: notices may go to http addresses on this machine. Only for the sandbox.",
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
                "the app settings have mistakes, so nothing was done",
                code="settings-broken",
                remedy="Fix the settings below. docs/settings.md lists all settings.",
                problems=tuple(problems),
            )
        return settings

    @property
    def audit_only(self) -> bool:
        """Whether the service only audits, whatever the ruleset says."""
        return self.mode == "audit"

    def _problems(self, *, storage: bool) -> list[str]:
        problems = []
        if storage and not (self.storage or self.storage_account or (self.table_uri and self.queue_uri)):
            problems.append(
                "AzureWebJobsStorage: there is no storage account; set a connection string, or"
                " AzureWebJobsStorage__accountName, or AzureWebJobsStorage__tableServiceUri and __queueServiceUri"
            )
        if self.activity_hub and not self.activity_namespace:
            problems.append(
                "GUARDRAILS_ACTIVITY_HUB: GUARDRAILS_ACTIVITY_HUB_CONNECTION__fullyQualifiedNamespace is missing;"
                " set both, or neither"
            )
        if self.mode not in ("", "audit"):
            problems.append(
                f"GUARDRAILS_MODE: '{self.mode}' is not allowed; set audit, or nothing (enforce is in the ruleset)"
            )
        for name, value in (
            ("GUARDRAILS_ARM_ENDPOINT", self.arm_endpoint),
            ("GUARDRAILS_PORTAL", self.portal),
            ("GUARDRAILS_MICROSOFT_GRAPH_ENDPOINT", self.microsoft_graph),
            *([("GUARDRAILS_DOCS", self.docs)] if self.docs else []),
        ):
            if not _is_address(value):
                problems.append(f"{name}: '{value}' is not an https address (http is only for this machine)")
        for name, number, most in (
            ("GUARDRAILS_EVENT_BUDGET_SECONDS", self.budget_seconds, 25.0),
            ("GUARDRAILS_CACHE_MINUTES", self.cache_minutes, 1440.0),
        ):
            if not _is_number(number) or not 0 < float(number) <= most:
                problems.append(f"{name}: '{number}' is not a number above 0 and at most {most:,g}")
        if not (
            self.record_months.isascii() and self.record_months.isdigit() and _LEAST_MONTHS <= self.kept_months <= 1200
        ):
            problems.append(
                f"GUARDRAILS_RECORD_MONTHS: '{self.record_months}' is not a whole number from {_LEAST_MONTHS} to 1200"
            )
        try:
            _ = self.sweep_period
        except ValueError as error:
            problems.append(f"GUARDRAILS_SWEEP_SCHEDULE: '{self.sweep_schedule}' is not a schedule: {error}")
        if not (
            self.table.isascii() and self.table.isalnum() and 3 <= len(self.table) <= 63 and self.table[0].isalpha()
        ):
            problems.append(
                f"GUARDRAILS_TABLE: '{self.table}' is not a table name: 3 to 63 of a-z, A-Z and 0-9, not first a digit"
            )
        return problems

    @property
    def sweep_period(self) -> timedelta:
        """The longest time between two sweeps by their schedule."""
        return longest_gap(self.sweep_schedule or _HOURLY)

    @property
    def kept_months(self) -> int:
        """For how many months the record keeps sweeps."""
        return int(self.record_months)

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
            problems.append(f"{new}: its old name {old} is set too, to another value; remove {old}")
        made[new] = now or before
    return made, problems


def is_reference(value: str) -> bool:
    """Whether a setting is a reference to a key vault that was not resolved: its secret is not there yet."""
    return value.strip().lower().startswith("@microsoft.keyvault")


def _default(item: Any) -> str:
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
