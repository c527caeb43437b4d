"""scan states its coverage, refuses what it cannot see, says soon that there is no Azure, and writes what it can."""

import asyncio
import csv
import io
import json
import os
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from guardrails import __version__
from guardrails.ruleset.model import DEFAULT_PATH
from sandbox.arm.access import Grant
from sandbox.identity import TENANT_ID
from tests.azure.inventory import trouble
from tests.azure.test_login import black_hole, closed_port
from tests.sandbox.conftest import CORP, GROUP, SUB, SUBSCRIPTION, VAULT

from .test_output import ROOT
from .test_scan import Tenant, tenant

__all__ = ["tenant"]

SCHEMA = json.loads((ROOT / "docs" / "scan.schema.json").read_text(encoding="utf-8"))
OTHER = "99999999-0000-4000-8000-000000000001"
HOSTILE = "<script>alert(1)</script> [x](http://evil) \u202etxt.exe\x1b[31m |"


def fault(tenant: Tenant, **more: Any) -> None:
    tenant.cloud.arm.control._post_faults(more)


def refuse_lists(tenant: Tenant) -> None:
    fault(tenant, path="policyExemptions$", method="GET", status=403, code="AuthorizationFailed", message="no list")


def own(tenant: Tenant) -> str:
    """The object id that the scan runs as."""
    return tenant.cloud.identity.oid


# What it covers.


async def test_the_json_states_it_and_is_as_published(tenant: Tenant) -> None:
    tenant.seed(CORP, "group")
    tenant.seed(GROUP, "never", expiresOn=None)
    tenant.cloud.arm.tenant_name = "Fabrikam"
    ran = await tenant.scan("--format", "json", "--exclude", "**/nothing", "--only", "violation")
    assert (ran.code, ran.err) == (1, "")
    jsonschema_rs.Draft202012Validator(SCHEMA, offline=True).validate(ran.json)
    coverage = ran.json["coverage"]
    assert coverage["complete"]
    assert coverage["tenant"] == {"id": TENANT_ID, "name": "Fabrikam", "unnamed": None}
    identity = tenant.cloud.identity
    assert coverage["identity"] == {
        "name": identity.name, "kind": "managed identity", "application_id": identity.client_id,
        "object_id": identity.oid, "found_by": "ManagedIdentityCredential",
    }  # fmt: skip
    assert coverage["subscriptions"]["read"] == [{"id": SUB, "name": "demo"}]
    assert [one["id"] for one in coverage["management_groups"]["read"]] == ["corp", "root"]
    assert coverage["subscriptions"]["requested"] == coverage["management_groups"]["requested"] == []
    assert coverage["filters"] == {"scope": [], "exclude": ["**/nothing"], "only": ["violation"]}
    assert (coverage["version"], coverage["ruleset"]["mode"]) == (__version__, "audit")
    assert coverage["api_versions"]["policyExemptions"] == "2026-01-01-preview"
    assert set(coverage["api_versions"]) == {
        "policyExemptions", "policyAssignments", "policySetDefinitions", "resourceGraph",
    }  # fmt: skip
    assert "2026" < coverage["started_at"] < coverage["ended_at"]
    assert coverage["not_judged"] == {"exemptions": 0, "rules": []}


async def test_every_other_form_states_it_too(tenant: Tenant) -> None:
    tenant.seed(GROUP, "fine")
    for form in ("table", "markdown", "html"):
        for more in ((), ("--subscription", SUB)):
            text = (await tenant.scan("--format", form, *more)).out.replace("\\", "")
            for part in ("Contoso", TENANT_ID, own(tenant), f"subscription {SUB} (demo)", __version__, "digest"):
                assert part in text, (form, part)


async def test_coverage_of_csv_is_a_file_or_goes_to_standard_error(tenant: Tenant, tmp_path: Path) -> None:
    tenant.seed(GROUP, "never", expiresOn=None)
    ran = await tenant.scan("--format", "csv")
    assert [one["name"] for one in csv.DictReader(io.StringIO(ran.out))] == ["never"]
    coverage = json.loads(ran.err)
    assert coverage.pop("$schema") == f"{SCHEMA['$id']}#/$defs/coverage"
    part = jsonschema_rs.Draft202012Validator({"$ref": "#/$defs/coverage", "$defs": SCHEMA["$defs"]}, offline=True)
    part.validate(coverage)

    assert (await tenant.scan("--out", str(tmp_path / "a.csv"))).code == 1
    assert (await tenant.scan("--format", "csv", "--out", str(tmp_path / "b.txt"))).code == 1
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "a.coverage.json", "b.txt", "b.txt.coverage.json"}  # noqa: ASYNC240
    part.validate(json.loads((tmp_path / "a.coverage.json").read_text(encoding="utf-8")))

    ran = await tenant.scan("--out", str(tmp_path / "a.csv"), "--out", str(tmp_path / "a.coverage.json"))
    assert (ran.code, ran.out) == (2, "")
    assert "would be written twice" in ran.err


async def test_a_tenant_without_a_readable_name_and_one_with_a_hostile_name(tenant: Tenant) -> None:
    tenant.seed(GROUP, "fine")
    tenant.cloud.arm.tenant_name = HOSTILE
    for form in ("table", "csv", "markdown", "html"):
        ran = await tenant.scan("--format", form)
        assert all(char.isprintable() or char in "\r\n" for char in ran.out + ran.err), form
        if form in ("markdown", "html"):
            assert ran.out.replace("\\<", "").count("<script>") == (form == "html"), form  # our own
    fault(tenant, path="^/tenants", status=403, code="AuthorizationFailed", message="not for you")
    ran = await tenant.scan()
    assert ran.code == 0
    assert f"{TENANT_ID} (its name could not be read: AuthorizationFailed: not for you)" in ran.out


async def test_what_was_not_judged_is_named_with_its_reason(tenant: Tenant) -> None:
    tenant.seed(GROUP, "fine")
    refuse_lists(tenant)
    ran = await tenant.scan("--format", "json")
    assert ran.code == 3
    coverage = ran.json["coverage"]
    assert not coverage["complete"]
    assert coverage["subscriptions"]["read"] == []
    assert coverage["subscriptions"]["partly_read"] == [
        {"id": SUB, "name": "demo", "reason": "AuthorizationFailed: no list"}
    ]
    assert coverage["not_judged"]["exemptions"] == 1
    assert {"rule": "self-serve", "code": "EXG404", "exemptions": 1}.items() <= next(
        one for one in coverage["not_judged"]["rules"] if one["code"] == "EXG404"
    ).items()
    text = (await tenant.scan()).out
    assert "EXG404 self-serve of 1: Resource Graph does not return exemptionManagementMode" in text


async def test_the_api_versions_are_those_that_were_used(tenant: Tenant) -> None:
    tenant.seed(GROUP, "hidden", policyAssignmentId=f"{CORP}/providers/Microsoft.Authorization/policyAssignments/x")
    tenant.cloud.arm.control._put_api_versions({"policyAssignments": ["2023-04-01", "2022-06-01"]})
    ran = await tenant.scan("--format", "csv")
    coverage = json.loads(ran.err)  # and nothing else is there
    assert coverage["api_versions"]["policyAssignments"] == "2023-04-01"
    assert coverage["api_versions"]["policySetDefinitions"] == "2025-03-01"
    assert coverage["notes"] == [
        "this cloud does not have api-version 2025-03-01 of policyAssignments; the scan used 2023-04-01"
    ]


async def test_policies_that_the_ruleset_asks_for_are_among_what_was_read(tenant: Tenant, tmp_path: Path) -> None:
    tenant.seed(GROUP, "fine")
    asking = tmp_path / "asking.yaml"
    override = "overrides: [{policy_category: Storage, rules: {expired: tag}}]\n"
    asking.write_text(DEFAULT_PATH.read_text(encoding="utf-8") + override, encoding="utf-8")
    tenant.cloud.arm.control._put_api_versions({"policyDefinitions": ["2021-06-01"]})
    trouble(tenant.cloud, nulls={"id": "policyDefinitions/"})  # so that ARM is asked
    coverage = (await tenant.scan("--format", "json", "--ruleset", str(asking))).json["coverage"]
    assert coverage["api_versions"]["policyDefinitions"] == "2021-06-01"
    assert (
        "this cloud does not have api-version 2025-03-01 of policyDefinitions; the scan used 2021-06-01"
        in coverage["notes"]
    )


async def test_a_cloud_without_the_api_version_of_exemptions_is_no_clean_tenant(tenant: Tenant) -> None:
    tenant.seed(GROUP, "fine")
    tenant.cloud.arm.control._put_api_versions({"policyExemptions": ["2022-07-01-preview"]})
    ran = await tenant.scan("--format", "json")
    assert ran.code == 3
    assert "2022-07-01-preview" in ran.json["coverage"]["subscriptions"]["partly_read"][0]["reason"]


# ARM's lists.


async def test_a_self_serve_exemption_is_found_though_resource_graph_does_not_show_it(tenant: Tenant) -> None:
    tenant.seed(GROUP, "alone", exemptionManagementMode="UserSelfServe")
    [one] = (await tenant.scan("--format", "json")).json["exemptions"]
    assert (one["verdict"], [finding["code"] for finding in one["findings"]]) == ("violation", ["EXG404"])
    lists = [seen for seen in tenant.cloud.arm.log.requests if seen.path.endswith("/policyExemptions")]
    assert len(lists) == 1


async def test_resource_graph_s_rows_are_judged_where_arm_stays_busy(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("guardrails.cli.scan._wait", sleep)
    tenant.seed(GROUP, "never", expiresOn=None)
    fault(tenant, path="policyExemptions$", method="GET", status=429, retry_after="7")
    ran = await tenant.scan("--format", "json")
    assert ran.code == 1
    assert waits == [7, 7, 7]
    assert ran.json["coverage"]["subscriptions"]["partly_read"][0]["id"] == SUB


async def test_rows_of_resource_graph_with_single_fields_null(tenant: Tenant) -> None:
    fine = tenant.seed(GROUP, "fine")
    extra = [
        {"id": None, "tenantId": TENANT_ID}, {"id": f"{VAULT}/x", "tenantId": None}, {}, {"id": fine, "tenantId": None}
    ]  # fmt: skip
    tenant.cloud.arm.control._put_graph({"extra": extra})
    ran = await tenant.scan("--format", "json")
    assert ran.code == 3
    assert [one["verdict"] for one in ran.json["exemptions"]] == ["pass"]
    assert "a row without an id" in ran.json["missing"][0]


# What cannot be seen.


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--subscription", "demo"), f"--subscription demo: .* did you mean subscription {SUB} (demo)?"),
        (("--management-group", "crop"), "--management-group crop: .* did you mean management group corp?"),
        (("--scope", f"/subscriptions/{OTHER}/resourceGroups/*"), f"--scope /subscriptions/{OTHER}/resourceGroups/*: "),
        (("--scope", f"{CORP}x"), "did you mean management group corp?"),
    ],
)
async def test_what_is_named_and_cannot_be_seen_ends_it_at_once(
    tenant: Tenant, argv: tuple[str, ...], said: str
) -> None:
    tenant.seed(GROUP, "never", expiresOn=None)
    ran = await tenant.scan(*argv)
    assert (ran.code, ran.out) == (2, "")
    [line] = ran.err.splitlines()
    assert re.search(re.escape(said).replace(r"\.\*", ".*"), line)
    assert own(tenant) in line
    assert "[scope-not-visible]" in line
    assert not any("policyassignments" in str(seen.path).lower() for seen in tenant.cloud.arm.log.requests)
    assert tenant.cloud.arm.log.counts["POST resourceGraph"] == 1


async def test_several_that_cannot_be_seen_have_a_line_each(tenant: Tenant) -> None:
    ran = await tenant.scan("--subscription", "demo", "--subscription", OTHER, "--scope", SUBSCRIPTION)
    assert ran.code == 2
    first, second = ran.err.splitlines()
    assert "--subscription demo: " in first
    assert f"--subscription {OTHER}: " in second


async def test_what_the_identity_may_not_see_is_not_there_for_it(tenant: Tenant) -> None:
    tenant.cloud.arm.add_subscription(OTHER, name="hidden")
    tenant.cloud.arm.access.grants[own(tenant)] = [Grant(SUBSCRIPTION, ("*/read",))]
    assert (await tenant.scan("--subscription", OTHER)).code == 2
    assert (await tenant.scan("--subscription", SUB)).code == 0


async def test_a_visible_place_without_exemptions_is_fine_and_said(tenant: Tenant) -> None:
    tenant.cloud.arm.add_subscription(OTHER, name="empty", management_group="corp")
    tenant.seed(GROUP, "fine")
    empty = f"/subscriptions/{OTHER}"
    for argv, said in (
        (("--subscription", OTHER), f"Azure shows no exemption in subscription {OTHER} (empty)"),
        (("--subscription", SUB, "--scope", empty), f"--scope {empty} matches no exemption"),
        (("--scope", f"{GROUP}x"), f"--scope {GROUP}x matches no exemption"),
        (("--scope", "**/typo/*"), "--scope **/typo/* matches no exemption"),
        (("--scope", f"{empty}*"), f"--scope {empty}* matches no exemption"),
    ):  # fmt: skip
        ran = await tenant.scan(*argv)
        assert ran.code == 0, argv
        assert f"note: {said}" in ran.out
        assert said in (await tenant.scan("--format", "json", *argv)).json["coverage"]["notes"]


async def test_the_root_group_may_be_called_like_a_subscription(tenant: Tenant) -> None:
    tenant.cloud.arm.add_management_group(TENANT_ID, display_name="Tenant Root Group")
    root = f"/providers/Microsoft.Management/managementGroups/{TENANT_ID}"
    tenant.seed(root, "top", policyAssignmentId=f"{root}/providers/Microsoft.Authorization/policyAssignments/x")
    document = (await tenant.scan("--management-group", TENANT_ID, "--format", "json")).json
    assert [one["id"].rpartition("/")[2] for one in document["exemptions"]] == ["top"]
    assert document["coverage"]["management_groups"]["requested"] == [{"id": TENANT_ID, "name": "Tenant Root Group"}]
    assert (await tenant.scan("--subscription", TENANT_ID)).code == 2


# No Azure.


@pytest.mark.parametrize("kind", ["closed", "nameless", "silent"])
async def test_an_unreachable_azure_is_reported(tenant: Tenant, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    with black_hole() as silent, closed_port() as port:
        closed = f"http://127.0.0.1:{port}"
        address = {"closed": closed, "nameless": "https://management.invalid", "silent": silent}[kind]
        monkeypatch.setenv("GUARDRAILS_ARM_ENDPOINT", address)
        monkeypatch.setattr("guardrails.azure.login.SECONDS", 0.3)
        ran = await tenant.scan()
    assert (ran.code, ran.out) == (2, "")
    [line] = ran.err.splitlines()
    assert address in line
    assert kind != "silent" or "no connection within 0.3 s" in line
    assert "[arm-unreachable]" in line
    assert "sees no subscription" not in line


async def test_a_slow_azure_is_scanned(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant.seed(GROUP, "fine")
    for seconds in (0.2, 1, 5):  # a busy machine connects later
        monkeypatch.setattr("guardrails.azure.login.SECONDS", seconds)
        tenant.cloud.arm.faults.reset()
        fault(tenant, path="^/tenants", latency=2 * seconds, count=1)
        fault(tenant, path="ResourceGraph", latency=2 * seconds, count=1)
        if (code := (await tenant.scan()).code) == 0:
            break
    assert code == 0


async def test_an_azure_that_breaks_is_not_taken_for_an_empty_tenant(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(_: float) -> None:
        pass

    monkeypatch.setattr("guardrails.cli.scan._wait", at_once)
    fault(tenant, path="ResourceGraph", status=503, message="down for now")
    ran = await tenant.scan()
    assert (ran.code, ran.out) == (2, "")
    assert "nothing could be read" in ran.err
    assert "down for now" in ran.err
    assert "[nothing-read]" in ran.err


# Files that cannot be written.


async def test_what_is_no_file_is_written_into_and_stays_what_it_is(tenant: Tenant, tmp_path: Path) -> None:
    tenant.seed(GROUP, "fine")
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    reading = asyncio.create_task(asyncio.to_thread(pipe.read_text, encoding="utf-8"))
    assert (await tenant.scan("--out", str(pipe))).code == 0
    assert json.loads(await reading)["counts"]["pass"] == 1
    assert pipe.is_fifo()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")  # noqa: PTH110
async def test_a_full_disk_is_said_and_the_other_files_are_written(
    tenant: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant.seed(GROUP, "never", expiresOn=None)
    real = Path.open

    def full(self: Path, *args: Any, **more: Any) -> Any:
        return real(Path("/dev/full") if self.name.startswith("full.") else self, *args, **more)

    monkeypatch.setattr(Path, "open", full)
    files = [tmp_path / name for name in ("full.json", "a.html", "full.csv", "b.json")]
    ran = await tenant.scan(*(word for file in files for word in ("--out", str(file))))
    assert ran.code == 2
    lines = ran.err.splitlines()
    assert len(lines) == 3
    assert "full.json cannot be written: No space left on device" in lines[0]
    assert "full.csv cannot be written" in lines[1]
    assert "full.coverage.json cannot be written" in lines[2]
    assert {path.name for path in tmp_path.iterdir()} == {"a.html", "b.json"}  # noqa: ASYNC240
    assert json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))["counts"]["violation"] == 1
