"""scan --compare: against a file of an earlier scan, over HTTP; what it prints, writes and exits with."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator
from markdown_it import MarkdownIt

from guardrails.cli.scan_schema import schema
from guardrails.report.texts import LONGEST_MARKDOWN
from tests.report.conftest import HOSTILE
from tests.sandbox.conftest import CORP, GROUP, INITIATIVE, SUBSCRIPTION, VAULT

from .conftest import Ran, Save
from .test_scan import Tenant, tenant
from .test_scan_bypasses import change

__all__ = ["tenant"]
STRANGE = "<script>alert(1)<img src=x> [x](mailto:x) *b* |"


async def saved(tenant: Tenant, folder: Path, *argv: str) -> Path:
    path = folder / "earlier.json"
    await tenant.scan("--out", str(path), *argv)
    return path


@pytest.mark.parametrize("version", ["1", "2"])
async def test_what_changed_since_a_file_of_either_version(tenant: Tenant, tmp_path: Path, version: str) -> None:
    tenant.seed(GROUP, "cured", expiresOn=None)
    tenant.seed(VAULT, "kept", expiresOn=None)
    change(tenant.cloud, INITIATIVE, notScopes=[f"{SUBSCRIPTION}/resourceGroups/one"])
    earlier = await saved(tenant, tmp_path, "--schema-version", version)
    assert (await tenant.scan("--compare", str(earlier))).code == 0
    tenant.seed(GROUP, "cured")
    tenant.seed(GROUP, "fresh", expiresOn=None)
    ran = await tenant.scan("--compare", str(earlier), "--format", "json")
    assert (ran.code, ran.err) == (1, "")
    comparison = {"$ref": f"{schema()['$id']}#/$defs/comparison"}
    whole = schema() | {"$ref": "#/$defs/comparison"}
    for name in ("type", "properties", "required", "additionalProperties"):
        whole.pop(name, None)
    assert comparison["$ref"] == ran.json["$schema"]
    Draft202012Validator(whole, offline=True).validate(ran.json)
    assert [(one["change"], one["id"].rpartition("/")[2]) for one in ran.json["changes"]] == [
        ("new", "fresh"),
        ("fixed", "cured"),
    ]
    assert ran.json["changes"][0]["before"] is None
    assert ran.json["changes"][1]["before"] == {"verdict": "violation", "severity": "high", "rules": ["EXG101"]}
    assert ran.json["changes"][1]["now"] == {"verdict": "pass", "severity": None, "rules": []}
    assert ran.json["counts"] == {"worsened": 0, "new": 1, "not_seen": 0, "fixed": 1, "removed": 0, "same": 2}
    change(tenant.cloud, INITIATIVE, notScopes=[f"{SUBSCRIPTION}/resourceGroups/{name}" for name in ("one", "two")])
    ran = await tenant.scan("--compare", str(earlier))
    assert [line.split()[:2] for line in ran.out.splitlines()[1:4]] == [
        ["new", "high"],
        ["new", "high"],
        ["fixed", "high"],
    ]
    assert (await tenant.scan("--compare", str(earlier), "--exit-zero")).code == 0


async def test_people_read_a_table_and_files_are_written(tenant: Tenant, tmp_path: Path) -> None:
    tenant.seed(GROUP, "one")
    earlier = await saved(tenant, tmp_path)
    tenant.seed(GROUP, "one", expiresOn=None)
    ran = await tenant.scan("--compare", str(earlier))
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert ran.code == 1
    assert lines == [
        "change before now kind rules what",
        "worsened pass high exemption EXG101 expiry-missing one at demo / demoCluster",
        "",
        "1 worsened, 0 new, 0 not-seen, 0 fixed, 0 removed, 0 same",
    ]
    files = [tmp_path / name for name in ("c.md", "c.json", "c.txt")]
    ran = await tenant.scan("--compare", str(earlier), *(word for file in files for word in ("--out", str(file))))
    assert ran.code == 1
    assert files[0].read_text(encoding="utf-8").startswith("# Policy exemptions and bypasses: what changed")
    assert json.loads(files[1].read_text(encoding="utf-8"))["counts"]["worsened"] == 1
    assert "EXG101 expiry-missing" in files[2].read_text(encoding="utf-8")


async def test_passes_that_became_unknown_exit_with_3(tenant: Tenant, tmp_path: Path) -> None:
    tenant.seed(GROUP, "one")
    earlier = await saved(tenant, tmp_path)
    document = json.loads(earlier.read_text(encoding="utf-8"))
    assert document["exemptions"][0]["verdict"] == "pass"
    tenant.cloud.arm.control._post_faults(
        {"path": "policyExemptions$", "method": "GET", "status": 403, "code": "AuthorizationFailed", "count": 1}
    )
    ran = await tenant.scan("--compare", str(earlier))
    assert ran.code == 3
    assert "worsened" in ran.out
    assert "note: this scan did not see: Azure Resource Manager does not list" in ran.out


async def test_markdown_fits_an_issue_and_is_no_markup_of_strangers(tenant: Tenant, tmp_path: Path) -> None:
    earlier = await saved(tenant, tmp_path)
    document = json.loads(earlier.read_text(encoding="utf-8"))
    tenant.seed(GROUP, "template")
    [row] = (await tenant.scan("--format", "json")).json["exemptions"]
    rows = [row | {"id": f"{row['id']}{n}{STRANGE}"} for n in range(900)]
    document |= {"exemptions": rows, "missing": [HOSTILE]}
    await asyncio.to_thread(earlier.write_text, json.dumps(document), encoding="utf-8")
    text = (await tenant.scan("--compare", str(earlier), "--format", "markdown")).out
    assert LONGEST_MARKDOWN - 1_000 < len(text) < LONGEST_MARKDOWN
    assert " removed). JSON has all." in text
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    kinds = {part.type for token in tokens for part in [token, *(token.children or ())]}
    assert not kinds & {"html_block", "html_inline", "link_open", "image", "em_open", "strong_open"}
    assert sum(token.type == "heading_open" for token in tokens) == 3
    assert "\u202e" not in text
    table = (await tenant.scan("--compare", str(earlier))).out
    assert all(char.isprintable() or char in "\r\n" for char in table)


def refused(ran: Ran, tenant: Tenant, said: str) -> None:
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert "[cannot-compare]" in ran.err
    assert len(ran.err.splitlines()) == 1
    assert not tenant.cloud.arm.log.requests


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "it is not JSON"), (b"\xff\xfe", "it is not JSON"), ("[" * 100_000, "it is not JSON"),
        ("[]", "JSON form"),
        ({"schema_version": 3}, "its schema_version is not one of 1, 2"),
        ({"schema_version": []}, "its schema_version is not one of 1, 2"), ({}, "coverage is missing"),
    ],
)  # fmt: skip
async def test_a_file_that_is_no_scan_is_refused_before_azure_is_asked(
    tenant: Tenant, save: Save, content: Any, said: str
) -> None:
    refused(await tenant.scan("--compare", save("earlier.json", content)), tenant, said)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--only", "violation"), "--only leaves out a part"), (("--format", "csv"), "a comparison has no format csv"),
        (("--out", "x.html"), "a comparison has no format html"),
        (("--exclude", CORP), "it was made with no --exclude"),
        (("--subscription", "s"), "it was made with no --subscription"),
        (("--management-group", "corp"), "it was made with no --management-group"),
    ],
)  # fmt: skip
async def test_only_like_is_compared_with_like(
    tenant: Tenant, tmp_path: Path, argv: tuple[str, ...], said: str
) -> None:
    earlier = await saved(tenant, tmp_path)
    tenant.cloud.arm.log.requests.clear()
    refused(await tenant.scan("--compare", str(earlier), *argv), tenant, said)


async def test_a_scan_of_a_part_or_of_another_tenant_or_no_file_is_refused(tenant: Tenant, tmp_path: Path) -> None:
    part = await saved(tenant, tmp_path, "--only", "violation")
    tenant.cloud.arm.log.requests.clear()
    refused(await tenant.scan("--compare", str(part)), tenant, "it has only violation")
    refused(await tenant.scan("--compare", str(tmp_path / "none.json")), tenant, "No such file")
    tenant.seed(GROUP, "one")
    scoped = await saved(tenant, tmp_path, "--scope", GROUP)
    assert (await tenant.scan("--compare", str(scoped), "--scope", GROUP.upper())).code == 0
    document = json.loads(scoped.read_text(encoding="utf-8"))
    document["coverage"]["tenant"]["id"] = "other"
    await asyncio.to_thread(scoped.write_text, json.dumps(document), encoding="utf-8")
    ran = await tenant.scan("--compare", str(scoped), "--scope", GROUP)
    assert ran.code == 2
    assert "it is a scan of tenant other" in ran.err
