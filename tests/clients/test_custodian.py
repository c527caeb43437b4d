"""Cloud Custodian, unchanged but for its cloud's address, against the sandbox: its command line and its event mode."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
from azure.storage.queue import QueueClient, QueueSasPermissions, generate_queue_sas

from sandbox import tenant
from sandbox.identity import TENANT_ID
from tests.clients.conftest import ABOVE, LISTS, Site, send, until

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("clients")]

SCRIPT, POLICIES = str(LISTS / "custodian.py"), str(LISTS / "custodian.yml")
SELF: Final = {"oid": "c0570d1a-0000-4000-8000-0000000000c1", "name": "custodian"}
CLIENT_ID: Final = "c0570d1a-0000-4000-8000-0000000000c2"
KEPT, LATE = tenant.exemption_id(tenant.GROUP, "custodian-kept"), tenant.exemption_id(tenant.GROUP, "custodian-endless")
TICKETLESS, CLAIMED = (
    tenant.exemption_id(tenant.GROUP, "custodian-ticketless"),
    tenant.exemption_id(tenant.GROUP, "custodian-mitigated"),
)
DEEP, DISPUTED = (
    tenant.exemption_id(tenant.RESOURCE, "custodian-deep"),
    tenant.exemption_id(tenant.GROUP, "custodian-disputed"),
)
GOOD: dict[str, Any] = {"expiresOn": tenant.in_days(120)}

type Custodian = Callable[..., Any]


@pytest.fixture(scope="module")
def custodian(site: Site, python_client: Callable[[str], Path]) -> Custodian:
    """Return a function that runs custodian.py as a user-assigned managed identity, and gives what it answered."""
    python = str(python_client("custodian") / "python")
    site.control("PUT", "identities", {CLIENT_ID: SELF})
    identity = f"{tenant.REPORTING}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{SELF['name']}"
    properties = {"clientId": CLIENT_ID, "principalId": SELF["oid"], "tenantId": TENANT_ID}
    site.control("POST", "seed", {"id": identity, "body": {"location": "westeurope", "properties": properties}})
    environment: dict[str, Any] = {
        "AZURE_USE_MSI": "1",
        "AZURE_CLIENT_ID": CLIENT_ID,
        "AZURE_SUBSCRIPTION_ID": tenant.PROD,
        "AZURE_TENANT_ID": TENANT_ID,
        "SANDBOX_ARM_TLS": site.arm,
    }

    def run(command: str, *given: str) -> Any:
        return json.loads(site.run(python, SCRIPT, command, *given, **environment).splitlines()[-1])

    return run


@pytest.fixture(scope="module")
def functions(site: Site, custodian: Custodian) -> Callable[[str], list[dict[str, Any]]]:
    """Deploy the two policies of events; return what calls the function of one for each event that came."""
    for name in ("exemptions", "mitigations-name-their-evidence"):
        made = custodian("package", POLICIES, name, str(site.folder / name))
        with QueueClient.from_connection_string(site.shown["storage"], made["queue"]) as queue:
            queue.create_queue()
            signature = generate_queue_sas(
                str(queue.account_name), queue.queue_name, queue.credential.account_key,
                permission=QueueSasPermissions(add=True), expiry=datetime.now(UTC) + timedelta(hours=1),
            )  # fmt: skip
            hook = {"name": name, "endpoint_type": "StorageQueue", "endpoint_url": f"{queue.url}/messages?{signature}"}
        site.control("POST", "event-subscriptions", {**hook, "operation_names": made["operations"]})

    def call(name: str) -> list[dict[str, Any]]:
        until(lambda: site.control("GET", "eventgrid"), lambda state: not state["metrics"]["pending"], "events wait")
        found: list[dict[str, Any]] = custodian("function", str(site.folder / name))
        return found

    return call


def put(site: Site, exemption: str, **changes: Any) -> Any:
    """Write an exemption as the approved pipeline, which Custodian cannot; return its properties."""
    body = tenant.waiver(**changes)
    status, said = send(
        "PUT", f"{site.shown['arm']}{quote(exemption)}?api-version={tenant.VERSION}", body, token=site.token
    )
    assert status in (200, 201), said
    return body["properties"]


def test_custodian_lists_what_is_inherited(site: Site, custodian: Custodian) -> None:
    custodian("cli", "validate", POLICIES)
    custodian("cli", "run", "-s", str(site.folder / "pulled"), "-p", "assignments", POLICIES)
    listed = json.loads((site.folder / "pulled" / "assignments" / "resources.json").read_text("utf-8"))
    assert {tenant.ASSIGNMENT, ABOVE} <= {one["id"] for one in listed}


def test_custodian_sees_each_write(site: Site, functions: Callable[[str], list[dict[str, Any]]]) -> None:
    def seen(exemption: str) -> list[dict[str, Any]]:
        """What Custodian made of each event of an exemption since the last time."""
        return [one for one in functions("exemptions") if one["subject"] == exemption]

    put(site, KEPT, **GOOD)
    site.recorded(KEPT, "written")
    [created] = seen(KEPT)
    [resource] = created["resources"]
    assert (resource["id"], resource["properties"]) == (KEPT, site.body(KEPT)["properties"])

    changed = put(site, KEPT, **GOOD, description="The partner's uploader cannot use private endpoints before March.")
    [updated] = seen(KEPT)
    assert updated["resources"][0]["properties"]["description"] == changed["description"]

    put(site, TICKETLESS, **GOOD, metadata={key: tenant.APPROVAL[key] for key in ("owner", "reviewDate")})
    site.tagged(TICKETLESS)
    written, tagged = seen(TICKETLESS)
    assert written["resources"] == tagged["resources"], "each event's exemption is read as it is by then"
    assert tagged["resources"][0]["properties"]["metadata"]["guardrails"]["status"] == "violation"

    put(site, LATE)
    site.reverted(LATE)
    [gone] = seen(LATE)
    assert (gone["resources"], gone["error"]) == ([], "")
    assert "PolicyExemptionNotFound" in "".join(gone["said"])

    site.guardrails("restore", LATE, "--by", "operator@contoso.com")
    site.tagged(LATE)
    *_, back = seen(LATE)
    assert back["resources"][0]["properties"]["metadata"]["guardrails"]["codes"] == ["EXG101"]


def test_custodian_deletes_what_its_policy_refuses(
    site: Site, functions: Callable[[str], list[dict[str, Any]]]
) -> None:
    put(site, KEPT, **GOOD, exemptionCategory="Mitigated", metadata={**tenant.APPROVAL, "evidence": "WAF-77"})
    put(site, CLAIMED, **GOOD, exemptionCategory="Mitigated")
    site.tagged(KEPT)
    site.tagged(CLAIMED)  # the ruleset has both tagged: they name no control
    done = functions("mitigations-name-their-evidence")
    deleted, gone = [one for one in done if one["subject"] == CLAIMED]
    assert [one["id"] for one in deleted["resources"]] == [CLAIMED]
    assert "Action 'delete' modified 'custodian-mitigated'" in "".join(deleted["said"])
    assert "PolicyExemptionNotFound" in "".join(gone["said"]), "the event of the tag came after it"
    assert all(one["resources"] == [] for one in done if one["subject"] == KEPT)
    assert site.body(KEPT) is not None
    assert site.body(CLAIMED) is None
    site.recorded(CLAIMED, "deleted")


def test_custodian_cannot_read_an_exemption_on_a_resource(
    site: Site, functions: Callable[[str], list[dict[str, Any]]]
) -> None:
    """findings/custodian-exemptions-on-resources.sh has why."""
    put(site, DEEP, **GOOD)
    [failed] = [one for one in functions("exemptions") if one["subject"] == DEEP]
    assert (failed["resources"], failed["error"]) == ([], "ValueError: No value for given attribute")


def test_two_tools_that_undo_one_another_come_to_an_end(
    site: Site, functions: Callable[[str], list[dict[str, Any]]]
) -> None:
    """The service brings back what Custodian, which may not, deleted: three times. Then it says that it does not."""
    evidence = {**tenant.APPROVAL, "compensatingControl": "The firewall blocks it."}
    put(site, DISPUTED, **GOOD, exemptionCategory="Mitigated", metadata=evidence)
    site.recorded(DISPUTED, "written")
    for outcome in (*["brought-back"] * 3, "not-restored"):
        with site.answered(DISPUTED, "lost"):
            [deleted] = [one for one in functions("mitigations-name-their-evidence") if one["subject"] == DISPUTED]
            assert [one["id"] for one in deleted["resources"]] == [DISPUTED]
        with site.answered(DISPUTED, outcome):
            site.guardrails("reconcile", DISPUTED)  # by itself after the ruleset's wait, 15 minutes
        assert (site.body(DISPUTED) is not None) == (outcome == "brought-back")
