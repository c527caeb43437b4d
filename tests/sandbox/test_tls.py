"""TLS beside plain HTTP, by an authority that clients can be made to trust, and what a shell needs for that."""

import asyncio
import os
import ssl
import sys
from asyncio.subprocess import PIPE
from ipaddress import ip_network
from pathlib import Path

import certifi
import pytest
from aiohttp import ClientConnectorCertificateError, ClientSession
from cryptography import x509

from sandbox import shell
from sandbox.authority import authority
from sandbox.cloud import Cloud
from tests.patience import PATIENCE
from tests.sandbox.conftest import AUTH, SUBSCRIPTION, Client, exemption, exemption_id

ADDRESSES = {"arm": "http://127.0.0.1:1", "arm_tls": "https://127.0.0.1:2"}
LIST = f"{SUBSCRIPTION}{AUTH}/policyExemptions"


@pytest.fixture
def trust() -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority().certificate)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_who_trusts_the_authority_is_served(cloud: Cloud, trust: ssl.SSLContext, host: str) -> None:
    assert trust.verify_flags & ssl.VERIFY_X509_STRICT  # as Python's own clients are from 3.13 on
    url = cloud.addresses["arm_tls"].replace("127.0.0.1", host) + "/metadata/endpoints?api-version=2022-09-01"
    async with ClientSession() as session, session.get(url, ssl=trust) as answer:
        assert answer.status == 200


async def test_who_does_not_trust_it_is_not(cloud: Cloud) -> None:
    async with ClientSession() as session:
        with pytest.raises(ClientConnectorCertificateError):
            await session.get(cloud.addresses["arm_tls"])


def test_the_authority_vouches_for_loopback_only() -> None:
    certificate = x509.load_pem_x509_certificate(authority().certificate.encode())
    names = certificate.extensions.get_extension_for_class(x509.NameConstraints)
    permitted = [one.value for one in names.value.permitted_subtrees or ()]
    assert names.critical
    assert permitted == ["localhost", ip_network("127.0.0.0/8"), ip_network("::1/128")]


@pytest.mark.parametrize("scheme", ["arm", "arm_tls"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_next_links_have_the_scheme_and_host_that_were_asked(
    cloud: Cloud, client: Client, trust: ssl.SSLContext, scheme: str, host: str
) -> None:
    for name in ("a", "b", "c"):
        await client.put(exemption_id(SUBSCRIPTION, name), exemption())
    await client.control("PUT", "paging", {"size": 1})
    address = cloud.addresses[scheme].replace("127.0.0.1", host)
    link, found = f"{address}{LIST}?api-version=2022-07-01-preview&$filter=atScope()", []
    headers = {"Authorization": f"Bearer {client.token}"}
    async with ClientSession(headers=headers) as session:
        while link:
            assert link.startswith(f"{address}/")
            async with session.get(link, ssl=trust) as answer:
                body = await answer.json()
            found += [row["name"] for row in body["value"]]
            link = body.get("nextLink", "")
    assert found == ["a", "b", "c"]


READ = """
import os, requests
print([one["name"] for one in requests.get(os.environ["ARM_CLOUD_METADATA_URL"], timeout=300).json()])
print(os.environ["SECRET"], os.environ["SANDBOX_ARM"], os.environ["NODE_EXTRA_CA_CERTS"], sep="|")
"""


async def test_a_shell_that_loads_the_file_trusts_it(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    secret, folder = "it's $HOME; `x`", tmp_path / "a folder"
    lines = shell.write(folder, authority().certificate, {"MODE": "", "SECRET": secret}, cloud.addresses)
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", '. "$1"; exec "$2" -c "$3"', "sh", str(lines), sys.executable, READ, stdout=PIPE,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    own = folder / "sandbox-ca.pem"
    assert out.decode().splitlines() == ["['AzureCloud']", f"{secret}|{cloud.addresses['arm']}|{own}"]


def test_azure_cli_asks_each_sandbox_for_its_addresses(tmp_path: Path) -> None:
    kept = tmp_path / "sandbox-azure" / "cloudEndpoints.json"  # it reads ARM_CLOUD_METADATA_URL without this file only
    kept.parent.mkdir()
    kept.write_text("{}", encoding="ascii")
    lines = shell.write(tmp_path, authority().certificate, {}, ADDRESSES).read_text(encoding="utf-8")
    assert f"export AZURE_CONFIG_DIR={kept.parent}\n" in lines
    assert not kept.exists()


def test_the_public_authorities_stay_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    bundle = tmp_path / "sandbox-ca-bundle.pem"
    public, own = Path(certifi.where()).read_bytes(), authority().certificate.encode()
    shell.write(tmp_path, authority().certificate, {}, ADDRESSES)
    assert bundle.read_bytes() == public + b"\n" + own
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    shell.write(tmp_path, authority().certificate, {}, ADDRESSES)
    assert bundle.read_bytes() == public + b"\n" + own, "no run adds to what an earlier one wrote"
    theirs = tmp_path / "company.pem"
    theirs.write_text("theirs", encoding="ascii")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.fspath(theirs))
    shell.write(tmp_path, authority().certificate, {}, ADDRESSES)
    assert bundle.read_bytes() == b"theirs\n" + own
