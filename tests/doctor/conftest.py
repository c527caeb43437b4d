"""A tenant in which all is well for the service: what each test then spoils."""

import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.data.tables.aio import TableClient
from azure.storage.queue.aio import QueueServiceClient

from guardrails.doctor.app import FunctionApp
from guardrails.doctor.examine import examine
from guardrails.doctor.model import Report, Result, State
from guardrails.doctor.needs import ROLES
from guardrails.doctor.storage import QUEUES
from guardrails.ports import Clock
from guardrails.register import table_register
from guardrails.register.table_register import TableRegister
from guardrails.ruleset.model import DEFAULT_PATH, load_ruleset
from guardrails.sweep.matches import Counting
from guardrails.wiring import SystemClock
from sandbox.cloud import Cloud
from sandbox.stack import EVENT_FUNCTIONS
from tests.patience import PATIENCE
from tests.sandbox.conftest import SUB, SUBSCRIPTION, build_tenant

SITE = "func-guardrails"
HOST = "/subscriptions/99999999-9999-9999-9999-999999999999/resourceGroups/rg-guardrails"
APP = f"{HOST}/providers/Microsoft.Web/sites/{SITE}"
ROOT = "/providers/Microsoft.Management/managementGroups/root"
CORP = "/providers/Microsoft.Management/managementGroups/corp"
CANARY = "canary7f3a"
ENFORCE = DEFAULT_PATH.read_text(encoding="utf-8").replace("mode: audit", "mode: enforce")


def topic_of(subscription: str) -> str:
    return (
        f"{subscription}/resourceGroups/rg-exemption-guardrails-events/providers/Microsoft.EventGrid/systemTopics"
        "/evgt-exemption-guardrails"
    )


def event_subscription(function: str, app: str = APP, **changes: Any) -> dict[str, Any]:
    """An event subscription as onboarding makes it, with properties changed."""
    types, operations = EVENT_FUNCTIONS[function]
    operation_filter = {"operatorType": "StringIn", "key": "data.operationName", "values": list(operations)}
    account = f"{HOST}/providers/Microsoft.Storage/storageAccounts/stdead"
    return {
        "properties": {
            "destination": {
                "endpointType": "AzureFunction",
                "properties": {"resourceId": f"{app}/functions/{function}", "maxEventsPerBatch": 1},
            },
            "filter": {"includedEventTypes": list(types), "advancedFilters": [operation_filter]},
            "deadLetterWithResourceIdentity": {
                "deadLetterDestination": {
                    "endpointType": "StorageBlob",
                    "properties": {"resourceId": account, "blobContainerName": "dead-letters"},
                }
            },
            **changes,
        }
    }


def onboard(cloud: Cloud, subscription: str = SUBSCRIPTION, app: str = APP) -> None:
    """Make what the onboarding makes in a subscription."""
    topic = topic_of(subscription)
    cloud.arm.seed(topic.split("/providers/")[0], {"location": "westeurope"})
    source = {"source": subscription, "topicType": "Microsoft.Resources.Subscriptions"}
    cloud.arm.seed(topic, {"location": "global", "properties": source})
    for function in EVENT_FUNCTIONS:
        name = function.replace("_", "-")
        cloud.arm.seed(f"{topic}/eventSubscriptions/{name}", event_subscription(function, app))


@dataclass
class Clinic:
    """The tenant, the settings, and the check over both."""

    cloud: Cloud
    environ: dict[str, str]
    register: TableRegister
    ruleset: Path
    clock: Clock = field(default_factory=SystemClock)

    async def examine(self, *only: str, send: bool = False, seconds: float = PATIENCE, app: str = "") -> Report:
        """Check. Nothing secret is in what it says."""
        found = FunctionApp.parse(app)
        report = await examine(self.environ, self.clock, only=only, send=send, seconds=seconds, app=found)
        assert CANARY not in repr(report) + str(report.to_json())
        return report

    async def check(self, name: str, **more: Any) -> Result:
        report = await self.examine(name, **more)
        return next(result for result in report.results if result.check == name)

    def grant(self, *actions: str, scope: str = ROOT, not_actions: tuple[str, ...] = ()) -> None:
        """Let the service's identity do this, and nothing else; once more: this too."""
        control, oid = self.cloud.arm.control, self.cloud.identity.oid
        before = control._get_permissions(None).get(oid, [])
        rows = [{"scope": one["scope"], "actions": one["actions"], "notActions": one["not_actions"]} for one in before]
        rows.append({"scope": scope, "actions": list(actions), "notActions": list(not_actions)})
        control._put_permissions({oid: rows})

    async def swept(self, ago: timedelta, report: Mapping[str, Any] | None = None) -> None:
        """Have a sweep behind us that began some time ago; without a report it counted by the ruleset in force."""
        began = datetime.now().astimezone() - ago
        run = await self.register.sweeps.begin(began, "test", timedelta(minutes=5))
        assert run is not None
        if report is None:
            found = Counting(load_ruleset(self.ruleset)).matches(began, whole=True)
            report = {"started": began.isoformat(), "matches": found.to_json()}
        await self.register.sweeps.end(run, began, report, whole=True)

    def queues(self) -> QueueServiceClient:
        return QueueServiceClient.from_connection_string(self.environ["AzureWebJobsStorage"])

    async def rows(self) -> list[tuple[str, str]]:
        """All rows of the register's table."""
        connection, table = self.environ["AzureWebJobsStorage"], self.environ["GUARDRAILS_TABLE"]
        async with TableClient.from_connection_string(connection, table) as client:
            return [(row["PartitionKey"], row["RowKey"]) async for row in client.list_entities()]

    def asked(self) -> set[str]:
        """The methods that Azure was asked with."""
        return {seen.method for seen in self.cloud.arm.log.requests if "ResourceGraph" not in seen.path}


@pytest.fixture
async def clinic(azurite: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Clinic]:
    ruleset = tmp_path / "ruleset.yaml"
    ruleset.write_text(ENFORCE, encoding="utf-8")
    table = f"t{uuid4().hex}"
    async with (
        Cloud(time_scale=0.001) as cloud,
        table_register.connect(clock=SystemClock(), connection_string=azurite, table=table) as register,
        QueueServiceClient.from_connection_string(azurite) as queues,
    ):
        build_tenant(cloud)
        onboard(cloud)
        await register._table.create()
        for name in QUEUES:
            try:
                await queues.create_queue(name)
            except ResourceExistsError:
                await queues.get_queue_client(name).clear_messages()
        environ = {
            **cloud.identity.environment,
            "AzureWebJobsStorage": azurite,
            "GUARDRAILS_TABLE": table,
            "GUARDRAILS_ARM_ENDPOINT": cloud.addresses["arm"],
            "GUARDRAILS_ARM_AUDIENCE": "https://management.azure.com",
            "GUARDRAILS_RULESET": str(ruleset),
            "GUARDRAILS_ALLOW_LOOPBACK": "true",
            "TEAMS_WEBHOOK_URL": f"{cloud.addresses['sink']}/teams/{CANARY}?sig={CANARY}",
            "WEBSITE_SITE_NAME": SITE,
            "WEBSITE_OWNER_NAME": "99999999-9999-9999-9999-999999999999+rg-guardrails-WestEuropewebspace-Linux",
            "WEBSITE_RESOURCE_GROUP": "rg-guardrails",
        }
        for name in [name for name in os.environ if name.startswith("GUARDRAILS_")]:
            monkeypatch.delenv(name)
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        clinic = Clinic(cloud, environ, register, ruleset)
        clinic.grant(*{action for actions in ROLES.values() for action in actions})
        await clinic.swept(timedelta(minutes=20))
        yield clinic


def states(result: Result) -> dict[str, State]:
    """What the findings of a check are about, and the state of each."""
    return {finding.about: finding.state for finding in result.findings}


__all__ = ["APP", "CORP", "ENFORCE", "ROOT", "SUB", "SUBSCRIPTION", "Clinic", "clinic", "onboard", "states", "topic_of"]
