"""scan: the whole way over HTTP, against the stand-ins of ARM, Resource Graph and the identity endpoint."""

import asyncio
import csv
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from guardrails.cli.main import main
from sandbox.cloud import Cloud
from tests.patience import PATIENCE
from tests.sandbox.conftest import AUTH, CORP, GROUP, INITIATIVE, SUB, SUBSCRIPTION, VAULT, build_tenant, exemption_id

from .conftest import Ran
from .terminal import NARROW, terminal
from .test_output import ROOT, on_terminal

NOW = "2026-11-21T12:00:00Z"
METADATA = {"owner": "team@contoso.com", "approvalTicket": "SEC-1234", "approver": "ciso@contoso.com"}
WRITTEN = {
    "createdBy": "p", "createdByType": "Application", "createdAt": "2026-11-01T00:00:00Z", "lastModifiedBy": "p",
    "lastModifiedByType": "Application", "lastModifiedAt": "2026-11-01T00:00:00Z",
}  # fmt: skip
GOOD = {
    "policyAssignmentId": INITIATIVE, "policyDefinitionReferenceIds": ["tls"], "exemptionCategory": "Waiver",
    "displayName": "The old agent", "description": "The vendor's agent cannot do TLS before March.",
    "expiresOn": "2027-03-31T00:00:00Z", "metadata": METADATA,
}  # fmt: skip


class Tenant:
    """A tenant in the sandbox, and an engineer who scans it. Its functions host is not there at all."""

    def __init__(self, cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
        self.cloud = cloud
        self._capsys = capsys

    def seed(self, scope: str, name: str, **properties: object) -> str:
        body = {key: value for key, value in {**GOOD, **properties}.items() if value is not None}
        return self.cloud.arm.seed(exemption_id(scope, name), {"properties": body, "systemData": WRITTEN})

    async def scan(self, *argv: str) -> Ran:
        """Scan, and check that it read only."""
        return await self.run("scan", "--now", NOW, *argv)

    async def run(self, *argv: str) -> Ran:
        """Run a command, and check that it read only."""
        before = {key: entry.bytes() for key, entry in self.cloud.arm.store.entries.items()}
        self._capsys.readouterr()
        try:
            code = await asyncio.to_thread(main, [*argv])
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        said = self._capsys.readouterr()
        assert {key: entry.bytes() for key, entry in self.cloud.arm.store.entries.items()} == before
        for request in self.cloud.arm.log.requests:
            assert request.method == "GET" or "microsoft.resourcegraph" in request.path.lower()
        return Ran(code, said.out, said.err)


@pytest.fixture
async def tenant(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Tenant]:
    for name in [name for name in os.environ if name.startswith(("AzureWebJobsStorage", "GUARDRAILS_"))]:
        monkeypatch.delenv(name)
    async with Cloud(time_scale=0.001) as cloud:
        build_tenant(cloud)
        for name, value in {
            **cloud.identity.environment,
            "GUARDRAILS_ARM_ENDPOINT": cloud.addresses["arm"],
            "GUARDRAILS_ARM_AUDIENCE": "https://management.azure.com",
        }.items():
            monkeypatch.setenv(name, value)
        for name in ("SECONDS", "ANSWER"):
            monkeypatch.setattr(f"guardrails.azure.login.{name}", PATIENCE)
        yield Tenant(cloud, capsys)


def timeless(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("| time |"))


async def test_all_four_scopes_are_seen_and_the_worst_comes_first(tenant: Tenant) -> None:
    ids = [tenant.seed(CORP, "group"), tenant.seed(SUBSCRIPTION, "subscription"), tenant.seed(GROUP, "fine")]
    ids.append(tenant.seed(VAULT, "never", expiresOn=None))
    ran = await tenant.scan("--format", "json")
    assert (ran.code, ran.err) == (1, "")
    found = {one["id"]: [finding["code"] for finding in one["findings"]] for one in ran.json["exemptions"]}
    assert found == {ids[0]: ["EXG301"], ids[1]: ["EXG301"], ids[2]: [], ids[3]: ["EXG101"]}
    assert list(found)[-1] == ids[2]
    assert ran.json["counts"] == {
        "exemptions": 4, "bypasses": 0, "left_out": 0, "violation": 3, "unknown": 0, "pass": 1, "excluded": 0
    }  # fmt: skip
    assert ran.json["missing"] == []


async def test_what_has_ended_in_the_ruleset_is_said_but_where_standard_error_is_for_the_coverage(
    tenant: Tenant, tmp_path: Path
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "version: 2\nmode: audit\nrules: {expired: alert}\n"
        "exclusions: [{scope: /subscriptions/s1, reason: r, expires: 2026-11-21}]\n"
        "overrides: [{assignment: audit-*, rules: {expired: off}, expires: 2026-11-22}]\n",
        encoding="utf-8",
    )
    tenant.seed(VAULT, "one")
    ran = await tenant.scan("--ruleset", str(own), "--format", "json")
    then = "it ended 2026-11-21 and does not apply; remove it, or set a later day"
    assert (ran.code, ran.err) == (0, f"own.yaml:4:14: exclusions[0]: {then}\n")
    ran = await tenant.scan("--ruleset", str(own), "--format", "csv")
    assert json.loads(ran.err)["ruleset"]


async def test_people_read_a_table_and_the_sums(tenant: Tenant) -> None:
    tenant.seed(VAULT, "never", expiresOn=None)
    tenant.seed(GROUP, "fine")
    ran = await tenant.scan()
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert lines[0] == "status kind rules expiry ticket owner what"
    assert lines[1] == (
        "high exemption EXG101 expiry-missing no-expiry SEC-1234 team@contoso.com "
        "never; at demo / demoCluster / vaults/kv1"
    )
    assert lines[2].startswith("pass exemption active, 129 days left")
    assert lines[2].endswith("fine; at demo / demoCluster")
    assert "high 1 0 EXG101 expiry-missing" in lines
    assert "no-expiry 1" in lines
    assert "2 1 0 exemptions" in lines
    assert lines[-2] == "There is no bypass: assignments and tags were read."
    assert lines[-1] == "2 exemptions: 1 violation, 0 unknown, 1 pass, 0 excluded"


async def test_exit_codes(tenant: Tenant) -> None:
    tenant.seed(GROUP, "fine")
    assert (await tenant.scan()).code == 0
    tenant.cloud.arm.control._post_faults(
        {"path": "policyExemptions$", "method": "GET", "status": 403, "code": "AuthorizationFailed", "count": 1}
    )
    ran = await tenant.scan()
    assert ran.code == 3  # a list that may not be read
    assert "not seen: Azure Resource Manager does not list the exemptions" in ran.out
    tenant.seed(GROUP, "never", expiresOn=None)
    assert (await tenant.scan()).code == 1
    assert (await tenant.scan("--exit-zero")).code == 0


async def test_a_deleted_assignment_differs_from_one_that_may_not_be_read(tenant: Tenant) -> None:
    gone = tenant.seed(GROUP, "gone", policyAssignmentId=f"{CORP}{AUTH}/policyAssignments/deleted")
    [one] = (await tenant.scan("--format", "json")).json["exemptions"]
    assert one["id"] == gone
    assert [(finding["code"], finding["status"]) for finding in one["findings"]] == [("EXG401", "violation")]

    denial = {
        "name": "no assignments", "scope": CORP, "actions": ["Microsoft.Authorization/policyAssignments/read"]
    }  # fmt: skip
    from aiohttp import ClientSession  # noqa: PLC0415

    async with ClientSession() as session:
        url = f"{tenant.cloud.addresses['arm']}/_sandbox/denials"
        async with session.put(url, json=[denial]) as answer:
            assert answer.status == 200
    ran = await tenant.scan("--format", "json")
    [one] = ran.json["exemptions"]
    assert (ran.code, one["verdict"]) == (3, "unknown")


async def test_filters(tenant: Tenant) -> None:
    tenant.seed(CORP, "group")
    tenant.seed(GROUP, "a", expiresOn=None)
    tenant.seed(VAULT, "b")

    async def listed(*argv: str) -> tuple[list[str], int]:
        document = (await tenant.scan("--format", "json", *argv)).json
        return [one["id"].rpartition("/")[2] for one in document["exemptions"]], document["counts"]["exemptions"]

    assert await listed("--scope", GROUP.upper()) == (["a", "b"], 2)
    assert await listed("--scope", "**/vaults/*", "--scope", CORP) == (["group", "b"], 2)
    assert await listed("--exclude", "**/vaults/kv1", "--exclude", CORP) == (["a"], 1)
    assert await listed("--subscription", SUB) == (["a", "b"], 2)
    assert await listed("--only", "pass") == (["b"], 3)
    assert sorted((await listed("--management-group", "corp"))[0]) == ["a", "b", "group"]


async def test_files_by_their_names_and_all_at_once(tenant: Tenant, tmp_path: Path) -> None:
    tenant.seed(GROUP, "never", expiresOn=None)
    files = {form: tmp_path / f"scan.{form}" for form in ("html", "csv", "json", "md", "txt")}
    ran = await tenant.scan(*(word for file in files.values() for word in ("--out", str(file))))
    assert ran.code == 1
    assert ran.out.count("written: ") == 6
    files["coverage"] = tmp_path / "scan.coverage.json"
    assert files["html"].read_text(encoding="utf-8").startswith("<!doctype html>")
    with files["csv"].open(encoding="utf-8", newline="") as file:
        assert [one["name"] for one in csv.DictReader(file)] == ["never"]
    assert json.loads(files["json"].read_text(encoding="utf-8"))["counts"]["violation"] == 1
    assert files["md"].read_text(encoding="utf-8").startswith("# Policy exemptions and bypasses")
    assert "EXG101 expiry-missing" in files["txt"].read_text(encoding="utf-8")
    assert set(await asyncio.to_thread(lambda: list(tmp_path.iterdir()))) == set(files.values())  # no pieces left

    plain = tmp_path / "report"
    assert (await tenant.scan("--format", "markdown", "--out", str(plain))).code == 1
    assert timeless(plain.read_text(encoding="utf-8")) == timeless(files["md"].read_text(encoding="utf-8"))
    assert (await tenant.scan("--format", "html")).out.startswith("<!doctype html>")  # a pipe


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--out", "report"), "the format of report is unknown"),
        (("--out", "no/such/folder/scan.html"), "cannot be written"),
        (("--out", "."), "the format of . is unknown"),
        (("--ruleset", "none.yaml"), "ruleset-broken"),
        (("--format", "xml"), "'xml' is not known. Give one of table, json, csv"),
    ],
)
async def test_what_cannot_run_says_so_before_azure_is_asked(tenant: Tenant, argv: tuple[str, ...], said: str) -> None:
    ran = await tenant.scan(*argv)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert not tenant.cloud.arm.log.requests


async def test_without_a_login_it_says_how_to_log_in(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    ran = await tenant.scan()
    assert (ran.code, ran.out) == (2, "")
    assert "az login" in ran.err
    assert "Traceback" not in ran.err


async def test_without_any_login_one_line_says_what_the_azure_cli_said(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "AZURE_CLIENT_ID", "AZURE_TENANT_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))  # no az there
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")
    ran = await tenant.scan()
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (2, "", 1)
    assert "[no-token]" in ran.err
    assert "az login" in ran.err
    assert not tenant.cloud.arm.log.requests


async def test_a_login_that_sees_nothing_is_no_clean_tenant(tenant: Tenant) -> None:
    tenant.seed(GROUP, "never", expiresOn=None)
    from sandbox.arm.access import Grant  # noqa: PLC0415

    tenant.cloud.arm.access.grants[tenant.cloud.identity.oid] = [Grant(GROUP, ("Microsoft.Nothing/read",))]
    ran = await tenant.scan()
    assert (ran.code, ran.out) == (2, "")
    assert "[nothing-seen]" in ran.err


async def test_a_bar_on_a_terminal_and_none_when_quiet_or_in_a_pipe(tenant: Tenant) -> None:
    for number in range(3):
        tenant.seed(f"{GROUP}/providers/Microsoft.Storage/storageAccounts/s{number}", f"e{number}")
    shown = await asyncio.to_thread(on_terminal, "scan", "--now", NOW, "--scope", GROUP)
    assert "exemptions" in shown
    assert "3/3" in shown
    assert "━" in shown
    quiet = await asyncio.to_thread(on_terminal, "scan", "--now", NOW, "--quiet", "--format", "csv")
    assert "3/3" not in quiet
    piped = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "guardrails", "scan", "--now", NOW],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert (piped.returncode, piped.stderr) == (0, "")
    assert "\x1b" not in piped.stdout


async def test_html_is_not_for_a_terminal(tenant: Tenant) -> None:
    shown = await asyncio.to_thread(on_terminal, "scan", "--format", "html")
    assert "the terminal cannot show HTML" in shown
    assert "<!doctype" not in shown


async def test_hostile_names_are_safe_on_the_screen(tenant: Tenant) -> None:
    tenant.seed(
        GROUP, "<script>alert(1)<", displayName="\x1b[31m\u202e", expiresOn=None, metadata={"owner": "\x1b]8;;x\x07"}
    )
    for form in ("table", "csv", "markdown", "html"):
        ran = await tenant.scan("--format", form)
        assert ran.code == 1
        assert all(char.isprintable() or char in "\r\n" for char in ran.out), form


@pytest.mark.parametrize("width", NARROW)
async def test_a_narrow_terminal_breaks_no_code_name_status_or_number(tenant: Tenant, width: int) -> None:
    name = "reporting-until-the-migration-is-done"
    tenant.seed(VAULT, name, expiresOn=None, policyDefinitionReferenceIds=[])
    with terminal(width) as seen:
        await tenant.scan()
    whole = "EXG101 expiry-missing", "EXG302 whole-initiative", "no-expiry", "SEC-1234", "team@contoso.com"
    seen.check("high", "exemption", name, *whole, "broken by", "resourceGraph")
    assert any(line.split() == ["1", "1", "0", "exemptions"] for line in seen.lines)
