"""Routes: a connection is made to each, and nothing is sent unless asked for."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from guardrails.channels.egress_guard import Bounds
from guardrails.channels.probe import probe
from guardrails.doctor.model import State
from guardrails.exemption.facts import Unread
from tests.channels.test_egress_guard import PUBLIC_4, Names
from tests.patience import PATIENCE

from .conftest import CANARY, Clinic, states

HERE = Bounds(loopback=True)


async def test_a_route_that_nobody_answers_fails_and_shows_no_address(clinic: Clinic) -> None:
    clinic.environ["TEAMS_WEBHOOK_URL"] = f"http://127.0.0.1:1/{CANARY}"
    report = await clinic.examine("routes")
    assert report.exit_code == 1
    assert "127.0.0.1" not in str(report.to_json())
    assert "TEAMS_WEBHOOK_URL" in report.results[0].findings[0].remediation


async def test_a_test_notice_is_sent_when_asked_for(clinic: Clinic) -> None:
    clinic.environ["GUARDRAILS_ALERT_TEAMS_URL"] = f"{clinic.cloud.addresses['sink']}/teams/alert"
    result = await clinic.check("routes", send=True)
    assert states(result) == {"security-team": State.PASS, "guardrails-fallback": State.PASS}
    assert [(one.channel, one.status) for one in clinic.cloud.sink.received] == [("teams", 202)] * 2
    assert all("A test of this route" in one.body for one in clinic.cloud.sink.received)


@pytest.mark.parametrize(("status", "state"), [(410, State.FAIL), (503, State.UNKNOWN)])
async def test_a_route_that_takes_no_notice(clinic: Clinic, status: int, state: State) -> None:
    clinic.cloud.sink.fail(status=status, count=None)
    assert (await clinic.check("routes")).state is State.PASS
    assert (await clinic.check("routes", send=True)).state is state


async def test_a_ruleset_without_routes_notifies_nobody(clinic: Clinic) -> None:
    text = clinic.ruleset.read_text("utf-8")
    clinic.ruleset.write_text(text[: text.index("\nnotices:")] + "\nnotices: []\npeople: {}\n", "utf-8")
    result = await clinic.check("routes")
    assert (result.state, result.detail) == (State.FAIL, "the ruleset has no route, so nobody is notified")


# The probe itself.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of localhost, signed by itself, and its key, in one file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    plain = serialization.NoEncryption()
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    return path


@asynccontextmanager
async def listening(
    context: ssl.SSLContext | None = None, greeting: bytes = b""
) -> AsyncIterator[tuple[int, bytearray]]:
    """A server on this machine; its port, and what it was sent."""
    heard = bytearray()
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        try:
            heard.extend(await reader.read())
        except OSError:
            heard.extend(b"")
        writer.close()
        gone.set()

    async with await asyncio.start_server(serve, "127.0.0.1", ssl=context) as server:
        yield server.sockets[0].getsockname()[1], heard
        if context is None:
            await asyncio.wait_for(gone.wait(), PATIENCE)


async def test_it_connects_and_sends_nothing() -> None:
    async with listening() as (port, heard):
        assert await probe(f"http://localhost:{port}/{CANARY}", HERE) == ""
    assert bytes(heard) == b""


async def test_a_certificate_is_looked_at(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    trust = ssl.create_default_context(cafile=str(certificate))
    async with listening(context) as (port, heard):
        assert await probe(f"https://localhost:{port}/x", HERE, trust=trust) == ""
        assert await probe(f"https://localhost:{port}/x", HERE) == "the certificate was not accepted"
    assert bytes(heard) == b""


async def test_what_speaks_no_tls() -> None:
    async with listening(greeting=b"220 hello\r\n") as (port, _):
        assert await probe(f"https://localhost:{port}/x", HERE) == "no secure connection could be made"


async def test_a_name_that_leads_inside_is_not_connected_to() -> None:
    async with listening() as (port, heard):
        said = await probe(f"https://hooks.example:{port}/x", Bounds(), resolver=Names(["127.0.0.1"]))
        assert isinstance(said, str)
        assert "not public" in said
        assert await probe(f"http://localhost:{port}/x", HERE) == ""  # the server may go
    assert bytes(heard) == b""


async def test_a_name_that_is_not_known() -> None:
    assert await probe("https://hooks.example/x", Bounds(), resolver=Names([])) == "the host name could not be resolved"


async def test_a_host_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(*_: object, **__: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(asyncio, "open_connection", silent)
    said = await probe("https://hooks.example/x", Bounds(), resolver=Names([PUBLIC_4]), seconds=0.05)
    assert said == "no connection within 0.05 s"


async def test_behind_a_proxy_it_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    bounds = Bounds(frozenset({"hooks.example"}))
    assert isinstance(await probe("https://hooks.example/x", bounds), Unread)
