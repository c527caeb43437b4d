"""scan --by: a file for each owner, subscription or assignment, and an index; only what a scan wrote is replaced."""

import asyncio
import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from guardrails.cli.scan_by import INDEX
from guardrails.cli.scan_schema import schema
from tests.sandbox.conftest import CORP, GROUP, VAULT

from .test_scan import METADATA, Tenant, tenant

__all__ = ["tenant"]


def owner(name: str) -> dict[str, Any]:
    return {"metadata": METADATA | {"owner": name}}


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file()
    }


async def scanned(tenant: Tenant, folder: Path, *argv: str, code: int = 1) -> Mapping[str, str]:
    ran = await tenant.scan("--out", str(folder), *argv)
    assert (ran.code, ran.err) == (code, "")
    found = await asyncio.to_thread(files, folder)
    assert [line for line in ran.out.splitlines() if line.startswith("written: ")] == [
        f"written: {folder / name}" for name in ["index.json", *listed(found)]
    ]
    return found


def listed(found: Mapping[str, str]) -> list[str]:
    return [name for group in json.loads(found["index.json"])["groups"] for name in group["files"]]


async def test_a_page_for_each_owner_and_an_index(tenant: Tenant, tmp_path: Path) -> None:
    tenant.seed(GROUP, "a", **owner("Jo@contoso.com"), expiresOn=None)
    tenant.seed(VAULT, "b", **owner("jo@contoso.com"))
    tenant.seed(GROUP, "c", **owner("../../../mia"))
    found = await scanned(tenant, tmp_path / "reports", "--by", "owner")
    index = json.loads(found["index.json"])
    whole = schema() | {"$ref": "#/$defs/index"}
    for name in ("type", "properties", "required", "additionalProperties"):
        whole.pop(name, None)
    Draft202012Validator(whole, offline=True).validate(index)
    assert set(found) == {"index.json", *listed(found)}
    jo, mia = index["groups"]
    assert (jo["name"].lower(), mia["name"]) == ("jo@contoso.com", "../../../mia")
    none = {"bypasses": 0, "unknown": 0, "excluded": 0}
    assert jo["counts"] == none | {"exemptions": 2, "violation": 1, "pass": 1}
    assert mia["counts"] == none | {"exemptions": 1, "violation": 1, "pass": 0}  # it is no address
    assert index["counts"] == none | {"exemptions": 3, "violation": 2, "pass": 1}
    assert jo["files"][0].startswith("jo-contoso-com-")
    assert "only: 2 of the 3 exemptions and bypasses" in found[jo["files"][0]]
    assert found[mia["files"][0]].startswith("<!doctype html>")
    assert {path.name for path in await asyncio.to_thread(lambda: list(tmp_path.iterdir()))} == {"reports"}


async def test_each_form_has_the_lines_of_its_group_alone(tenant: Tenant, tmp_path: Path) -> None:
    tenant.seed(GROUP, "a", **owner("jo"), expiresOn=None)
    tenant.seed(VAULT, "b", **owner("mia"))
    found = await scanned(tenant, tmp_path / "json", "--by", "owner", "--format", "json")
    for name, place in zip(listed(found), ("a", "b"), strict=True):
        document = json.loads(found[name])
        Draft202012Validator(schema(), offline=True).validate(document)
        assert [one["id"].rpartition("/")[2] for one in document["exemptions"]] == [place]
        assert document["counts"]["exemptions"] == 1
    found = await scanned(tenant, tmp_path / "csv", "--by", "owner", "--format", "csv")
    assert [name.partition(".")[2] for name in listed(found)] == ["csv", "coverage.json"] * 2
    assert [one["name"] for one in csv.DictReader(found[listed(found)[0]].splitlines())] == ["a"]
    found = await scanned(tenant, tmp_path / "md", "--by", "owner", "--format", "markdown", "--only", "violation")
    assert ["| high | exemption | a |" in found[name] for name in listed(found)] == [True, False]
    assert "1 exemption: 0 violation, 0 unknown, 1 pass" in found[listed(found)[1]]


@pytest.mark.parametrize(("by", "names"), [("subscription", ["demo", "management group Corp"]), ("assignment", None)])
async def test_by_subscription_and_by_assignment(
    tenant: Tenant, tmp_path: Path, by: str, names: list[str] | None
) -> None:
    tenant.seed(GROUP, "a")
    tenant.seed(VAULT, "b")
    tenant.seed(CORP, "c")
    index = json.loads((await scanned(tenant, tmp_path / "out", "--by", by))["index.json"])
    assert sum(group["counts"]["exemptions"] for group in index["groups"]) == 3
    if names:
        assert sorted(group["name"].lower() for group in index["groups"]) == sorted(name.lower() for name in names)
        assert sorted(group["counts"]["exemptions"] for group in index["groups"]) == [1, 2]


async def test_a_later_scan_replaces_its_files_and_deletes_those_of_no_group(tenant: Tenant, tmp_path: Path) -> None:
    tenant.seed(GROUP, "a", **owner("jo"), expiresOn=None)
    tenant.seed(VAULT, "b", **owner("mia"))
    before = await scanned(tenant, tmp_path, "--by", "owner", "--format", "json", "--schema-version", "1")
    assert json.loads(before["index.json"])["schema_version"] == 2
    (tmp_path / "mine.json").write_text("mine", encoding="utf-8")
    tenant.seed(VAULT, "b", **owner("jo"))
    ran = await tenant.scan("--by", "owner", "--out", str(tmp_path), "--format", "json")
    assert ran.code == 1
    now = await asyncio.to_thread(files, tmp_path)
    assert set(now) == {"index.json", "mine.json", listed(before)[0]}
    assert now["mine.json"] == "mine"
    assert json.loads(now[listed(before)[0]])["counts"]["exemptions"] == 2


async def test_a_file_that_no_scan_wrote_is_in_the_way(tenant: Tenant, tmp_path: Path) -> None:
    tenant.seed(GROUP, "a", **owner("jo"))
    found = await scanned(tenant, tmp_path / "one", "--by", "owner", code=0)
    other = tmp_path / "other"
    other.mkdir()
    (other / listed(found)[0]).write_text("mine", encoding="utf-8")
    ran = await tenant.scan("--by", "owner", "--out", str(other))
    assert (ran.code, ran.out) == (2, "")
    assert "exists, and no scan wrote it" in ran.err
    assert await asyncio.to_thread(files, other) == {listed(found)[0]: "mine"}


PLANTED = {
    "$schema": INDEX, "by": "owner", "format": "html",
    "groups": [{"files": ["../secret.json"]}],
}  # fmt: skip


@pytest.mark.parametrize(
    "index",
    [
        "mine", "{}", "[]", '{"$schema": "other", "by": "owner", "format": "html", "groups": []}',
        json.dumps(PLANTED),
    ],
)  # fmt: skip
async def test_a_foreign_index_is_left_alone(tenant: Tenant, tmp_path: Path, index: str) -> None:
    (tmp_path / "secret.json").write_text("secret", encoding="utf-8")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "index.json").write_text(index, encoding="utf-8")
    ran = await tenant.scan("--by", "owner", "--out", str(folder))
    assert (ran.code, ran.out) == (2, "")
    assert "index.json exists, and no scan wrote it" in ran.err
    assert not tenant.cloud.arm.log.requests
    assert await asyncio.to_thread(files, tmp_path) == {"secret.json": "secret", "out/index.json": index}


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--by", "owner"), "Name it with --out DIR"), (("--by", "owner", "--out", "a", "--out", "b"), "one folder"),
        (("--by", "owner", "--out", "no/such"), "is not a folder and cannot be created"),
        (("--by", "owner", "--out", "setup.cfg/x"), "is not a folder and cannot be created"),
        (("--by", "owner", "--out", "out", "--format", "table"), "--by does not write table"),
        (("--by", "owner", "--out", "out", "--compare", "x.json"), "--by and --compare"),
        (("--by", "initiative", "--out", "out"), "'initiative' is not known"),
    ],
)  # fmt: skip
async def test_what_cannot_be_written_is_said_before_azure_is_asked(
    tenant: Tenant, argv: tuple[str, ...], said: str
) -> None:
    ran = await tenant.scan(*argv)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert not tenant.cloud.arm.log.requests


async def test_one_folder_is_of_one_kind_and_form(tenant: Tenant, tmp_path: Path) -> None:
    tenant.seed(GROUP, "a")
    before = await scanned(tenant, tmp_path, "--by", "owner", code=0)
    for argv in (("--by", "subscription"), ("--by", "owner", "--format", "csv")):
        ran = await tenant.scan("--out", str(tmp_path), *argv)
        assert ran.code == 2
        assert "holds files by owner as html" in ran.err
    assert await asyncio.to_thread(files, tmp_path) == before
