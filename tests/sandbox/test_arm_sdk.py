"""Azure's own typed client against the stand-in.

The stable azure-mgmt-resource-policy has no exemption operations any more; 1.0.0b4 has. It goes into build/sdk-client,
beside the project's environment, and runs in a process of its own. Where pip cannot fetch it, the tests are skipped,
but not in CI.
"""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from azure.identity import ManagedIdentityCredential
from azure.mgmt.resource.resources import ResourceManagementClient

from sandbox import shell
from sandbox.authority import authority
from sandbox.cloud import Cloud
from tests import needs
from tests.patience import PATIENCE
from tests.sandbox.conftest import GROUP, SUB, Client, exemption_id

ROOT = Path(__file__).parents[2]
PACKAGE = "azure-mgmt-resource-policy==1.0.0b4"
FOLDER = ROOT / "build" / "sdk-client"


@pytest.fixture(autouse=True)
def somebody(cloud: Cloud) -> None:
    """These clients are not the guardrails: what they call says nothing of the roles that those need."""
    cloud.identity.name = "somebody with an SDK"


@pytest.fixture(scope="module")
def sdk() -> Path:
    if not (FOLDER / "azure" / "mgmt" / "resource" / "policy").is_dir():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check",
                   "--retries", "1", "--timeout", "15", "--target", str(FOLDER), PACKAGE]  # fmt: skip
        try:
            fetched = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)  # noqa: S603
        except subprocess.TimeoutExpired:
            needs.missing(f"pip did not fetch {PACKAGE} within {PATIENCE:.0f} s")
        if fetched.returncode:
            needs.missing(f"pip cannot fetch {PACKAGE}: {fetched.stderr.strip()[-200:]}")
    return FOLDER


async def run_client(cloud: Cloud, folder: Path) -> dict[str, Any]:
    environment = os.environ | cloud.identity.environment | {"PYTHONPATH": str(folder)}
    script = str(Path(__file__).with_name("sdk_client.py"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, script, cloud.addresses["arm"], SUB,
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 0, err.decode()
    answer: dict[str, Any] = json.loads(out)
    return answer


def resources_by_sdk(address: str, plain: dict[str, Any]) -> dict[str, Any]:
    """Drive the stable azure-mgmt-resource client: groups, resources, tags, providers."""
    tags = {"operation": "Merge", "properties": {"tags": {"team": "a"}}}
    with (
        ManagedIdentityCredential() as credential,
        ResourceManagementClient(credential, SUB, base_url=address) as client,
    ):
        group = client.resource_groups.create_or_update("rg1", {"location": "westeurope"}, **plain)
        site_id = f"{group.id}/providers/Microsoft.Web/sites/s"
        body = {"location": "westeurope", "properties": {}}
        site = client.resources.begin_create_or_update_by_id(site_id, body, api_version="2022-03-01", **plain).result()
        client.resources.begin_create_or_update_by_id(
            site_id[:-1] + "t", body, api_version="2022-03-01", **plain
        ).result()
        client.tags.begin_update_at_scope(site_id, tags, **plain).result()
        found = {
            "site": site.id,
            "listed": [one.name for one in client.resources.list_by_resource_group("rg1", **plain)],
            "tags": client.tags.get_at_scope(site_id, **plain).properties.tags,
            "exists": client.resource_groups.check_existence("rg1", **plain),
            "provider": client.providers.get("Microsoft.Authorization", **plain).registration_state,
            "providers": "Microsoft.Storage" in [one.namespace for one in client.providers.list(**plain)],
        }
        client.resources.begin_delete_by_id(site_id, api_version="2022-03-01", **plain).result()
        client.resource_groups.begin_delete("rg1", **plain).result()
        found["gone"] = not client.resource_groups.check_existence("rg1", **plain)
        return found


@pytest.mark.parametrize(("scheme", "plain"), [("arm", {"enforce_https": False}), ("arm_tls", {})])
async def test_the_resource_client_works_unchanged(
    cloud: Cloud, client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, scheme: str, plain: dict[str, Any]
) -> None:
    shell.write(tmp_path, authority().certificate, {}, cloud.addresses)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "sandbox-ca-bundle.pem"))
    for name, value in cloud.identity.environment.items():
        monkeypatch.setenv(name, value)
    await client.control("PUT", "paging", {"size": 1})
    found = await asyncio.to_thread(resources_by_sdk, cloud.addresses[scheme], plain)
    site = f"/subscriptions/{SUB}/resourcegroups/rg1/providers/Microsoft.Web/sites/s"
    assert found == {
        "site": site, "listed": ["s", "t"], "tags": {"team": "a"}, "exists": True, "provider": "Registered",
        "providers": True, "gone": True,
    }  # fmt: skip


async def test_the_typed_client_works_unchanged(cloud: Cloud, client: Client, sdk: Path) -> None:
    # Two rows a page, so that the client has to follow nextLink.
    await client.control("PUT", "paging", {"size": 2})
    found = await run_client(cloud, sdk)
    assert found["expires_on"] == "2027-01-31T00:00:00+00:00"
    assert found["metadata"] == {"ticket": "SEC-1"}
    assert found["created_by_type"] == "ManagedIdentity"
    assert found["patched"] == ["westeurope"]
    assert found["lists"] == {
        "sub": ["mg", "res", "rg", "sub"],
        "sub at scope": ["mg", "sub"],
        "mg": ["mg"],
        "rg": ["mg", "res", "rg", "sub"],
        "res": ["res"],
    }
    assert found["assignments"] == ["initiative", "single"]
    assert found["builtin"] == "BuiltIn"
    assert found["not_found"] == "PolicyExemptionNotFound"
    assert found["refused"] == "InvalidCreatePolicyExemptionRequest"
    assert (await client.get(exemption_id(GROUP, "rg"))).status == 200
