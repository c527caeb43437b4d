"""criteria build: the table made of the tenant's own built-in initiative, over HTTP; what differs; the table in use."""

import json
from pathlib import Path
from typing import Any

import pytest

from guardrails.criteria.table import load_table, own_table
from tests.cli.test_scan import Tenant, tenant
from tests.criteria.samples import DEFINITIONS, SOC2, soc2_body
from tests.sandbox.conftest import GROUP

__all__ = ["tenant"]
TABLE = own_table()
TECHNICAL = [*TABLE.technical][:3]
MANUAL = [*TABLE.manual][:2]


def definition(effect: str) -> dict[str, Any]:
    rule = {"if": {}, "then": {"effect": "[parameters('effect')]"}}
    return {"properties": {"policyRule": rule, "parameters": {"Effect": {"type": "String", "defaultValue": effect}}}}


def publish(tenant: Tenant, *, technical: tuple[str, ...] = (), version: str = "1.12.0") -> None:
    """Put a small SOC 2 initiative into the tenant. `technical`: policies that are manual in the table and not here."""
    body = soc2_body()
    wanted = {*TECHNICAL, *MANUAL}
    members = [one for one in body["policyDefinitions"] if one["policyDefinitionReferenceId"] in wanted]
    tenant.cloud.arm.seed(SOC2, {"properties": {**body, "version": version, "policyDefinitions": members}})
    for guid in wanted:
        manual = guid in MANUAL and guid not in technical
        tenant.cloud.arm.seed(DEFINITIONS + guid, definition("Manual" if manual else "AuditIfNotExists"))


def used(tmp_path: Path) -> str:
    """The table that is in use: as `publish` has the initiative."""
    path = tmp_path / "used.json"
    parts = {"technical": TECHNICAL, "manual": MANUAL}
    said: dict[str, Any] = {
        name: {guid: list(getattr(TABLE, name)[guid]) for guid in guids} for name, guids in parts.items()
    }
    initiative = {"id": TABLE.source.id, "name": TABLE.source.name, "version": TABLE.source.version}
    path.write_text(json.dumps({"initiative": initiative, **said}), encoding="utf-8")
    return str(path)


async def test_a_table_that_is_as_the_tenant_has_it_differs_in_nothing(tenant: Tenant, tmp_path: Path) -> None:
    publish(tenant)
    ran = await tenant.run("criteria", "build", "--criteria", used(tmp_path))
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[-1] == "0 differences from the table in use: SOC 2 Type 2 1.12.0"


async def test_what_changed_is_shown_and_written(tenant: Tenant, tmp_path: Path) -> None:
    publish(tenant, technical=(MANUAL[0],), version="1.13.0")
    out = tmp_path / "criteria.json"
    before = used(tmp_path)
    shown = await tenant.run("criteria", "build", "--criteria", before)
    assert shown.code == 1
    criteria = ", ".join(TABLE.manual[MANUAL[0]])
    lines = [line.strip() for line in shown.out.splitlines()]
    assert "version of the initiative: 1.12.0 -> 1.13.0" in lines
    assert f"{MANUAL[0]}: manual: {criteria} -> {criteria}" in lines
    ran = await tenant.run("criteria", "build", "--criteria", before, "--out", str(out))
    assert ran.code == 0
    built = load_table(out)
    assert (built.source.version, len(built.technical), len(built.manual)) == ("1.13.0", 4, 1)
    assert (await tenant.run("criteria", "build", "--criteria", str(out))).code == 0


async def test_what_cannot_be_read_builds_no_table(tenant: Tenant, tmp_path: Path) -> None:
    out = tmp_path / "criteria.json"
    ran = await tenant.run("criteria", "build", "--out", str(out))
    assert (ran.code, "this built-in initiative does not exist" in ran.err) == (2, True)
    publish(tenant)
    tenant.cloud.arm.store.remove((DEFINITIONS + TECHNICAL[0]).lower())
    ran = await tenant.run("criteria", "build", "--out", str(out))
    assert ran.code == 2
    assert "1 of 5 policy definitions of the initiative cannot be read" in ran.err
    tenant.cloud.arm.store.entries[SOC2.lower()].body["properties"]["policyDefinitions"][0]["groupNames"] = 7
    ran = await tenant.run("criteria", "build", "--out", str(out))
    assert (ran.code, "not lists of names" in ran.err) == (2, True)
    assert not out.exists()


@pytest.mark.parametrize("by", ["option", "setting"])
async def test_a_scan_uses_the_table_that_is_named(
    tenant: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    initiative = tenant.cloud.arm.store.entries["/providers/microsoft.authorization/policysetdefinitions/base"]
    initiative.body["properties"]["policyDefinitions"][1]["policyDefinitionId"] = DEFINITIONS + TECHNICAL[0]
    path = used(tmp_path)
    tenant.seed(GROUP, "weak")
    argv = ("--criteria", path) if by == "option" else ()
    if by == "setting":
        monkeypatch.setenv("GUARDRAILS_CRITERIA", path)
    ran = await tenant.scan("--format", "json", *argv)
    [weak] = [one for one in ran.json["exemptions"] if one["id"].endswith("/weak")]
    [source] = weak["criteria_weakened"]["by_source"]
    assert source["criteria"].keys() == set(TABLE.technical[TECHNICAL[0]])
    assert all(one["of"] < 10 for one in source["criteria"].values())
