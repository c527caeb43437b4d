"""No connection to a machine that is not public, however its address is spelled, found or changed meanwhile."""

import contextlib
import logging
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from guardrails.channels.channels import HttpChannels
from guardrails.channels.destination import Destination, address_problem
from guardrails.channels.egress_guard import (
    Bounds,
    CheckedConnector,
    CheckedResolver,
    Dial,
    Egress,
    EgressBlocked,
    fit,
    is_egress_blocked,
    read_hosts,
)
from guardrails.errors import Misconfigured
from guardrails.ports import Delivered, TryAgain, Undeliverable
from tests.channels.samples import notice
from tests.channels.sink import Sink, running
from tests.channels.test_channels import RealClock
from tests.patience import PATIENCE

PUBLIC_4 = "93.184.215.14"
PUBLIC_6 = "2606:2800:220:1::1"
CANARY = "canary0host"

PRIVATE = ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.255.255", "fd12:3456::1"]
"""Refused, but for hosts on the allow-list."""

NEVER = [
    "127.0.0.1", "127.8.8.8", "::1",  # loopback
    "0.0.0.0", "0.1.2.3", "::",  # noqa: S104 - unspecified
    "169.254.169.254", "169.254.129.2", "fe80::1", "fe80::1%1", "fec0::1",  # link-local, site-local
    "168.63.129.16", "fd00:ec2::254",  # wire server, metadata
    "224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1",  # multicast
    "240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.0.9", "192.0.2.1", "203.0.113.1", "2001:db8::1", "3fff::1",
    "100::1", "4000::1", "192.88.99.1", "2001:20::1", f"{PUBLIC_6}%1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", f"::ffff:{PUBLIC_4}", "::ffff:a9fe:a9fe",
    "::127.0.0.1", "::10.0.0.1",  # IPv4-compatible
    "64:ff9b::169.254.169.254", "64:ff9b::8.8.8.8", "64:ff9b:1::10.0.0.1",  # NAT64
    "2002:a9fe:a9fe::1", "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # 6to4, Teredo
]  # fmt: skip

SPELLINGS = [
    "2130706433", "0x7f000001", "017700000001", "127.1", "127.0.1", "0177.0.0.1", "0x7f.0.0.1", "127.0.0.0x1",
    "127.0.0.1.", "127.000.000.001", "2852039166", "0xa9fea9fe", "169.254.43518", "0251.0376.0251.0376", "10.1",
    "127%2e0.0.1", "%31%32%37.0.0.1", "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "[127.0.0.1]",
    "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:0001]", "[::FFFF:127.0.0.1]", "[fe80::1%25eth0]", "[v1.127.0.0.1]",
    "LOCALHOST", "localhost.", "a.LocalHost.", "127.0.0.1:443", "[::1]:443", "0", "0x0", "[::]",
]  # fmt: skip
"""Hosts as people and attackers spell them in a URL; each may end on this machine, on metadata or in 10/8."""


class Names(AbstractResolver):
    """Answers each look-up with the next of the given answers, the last one for ever; counts the look-ups."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        del family
        self.asked += 1
        found = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=each,
                port=port,
                family=socket.AF_INET6 if ":" in each else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for each in found
        ]

    async def close(self) -> None:
        """Nothing to close."""


class Network:
    """A network in which every address is the sink's; `dialled` has the addresses that were connected to."""

    def __init__(self, sink: Sink, *, honest: bool = True) -> None:
        self._at = ("127.0.0.1", int(sink.address.rsplit(":", 1)[1]))
        self._honest = honest
        self.dialled: list[str] = []

    def dial(self, info: tuple[int, int, int, str, tuple[object, ...]]) -> socket.socket:
        network, claimed = self, info[4]

        class Rerouted(socket.socket):
            """Connects to the sink. An honest one says that it is where it was sent."""

            def connect(self, address: object) -> None:
                del address
                network.dialled.append(str(claimed[0]))
                super().connect(network._at)

            @property
            def family(self) -> int:  # type: ignore[override]
                return info[0]

            def getpeername(self) -> object:
                return claimed if network._honest else super().getpeername()

        return Rerouted(socket.AF_INET, socket.SOCK_STREAM)


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with running() as found:
        found.always(200)
        yield found


async def get(url: str, egress: Egress, names: AbstractResolver, dial: Dial) -> int:
    connector = CheckedConnector(egress, names, dial)
    async with aiohttp.ClientSession(connector=connector) as session, session.get(url) as response:
        return response.status


@pytest.mark.parametrize("address", [*NEVER, *PRIVATE])
def test_an_unsafe_address_is_unfit(address: str) -> None:
    assert not fit(address, Egress.PUBLIC)
    assert fit(address, Egress.PRIVATE) == (address in PRIVATE)
    assert fit(address, Egress.LOOPBACK) == (address in ("127.0.0.1", "127.8.8.8", "::1"))


@pytest.mark.parametrize("address", [PUBLIC_4, PUBLIC_6, "8.8.8.8", "20.50.2.1", "2603:1030::1", "100.128.0.1"])
def test_a_public_address_is_fit(address: str) -> None:
    assert fit(address, Egress.PUBLIC)
    assert fit(address, Egress.PRIVATE)
    assert not fit(address, Egress.LOOPBACK)


@pytest.mark.parametrize("host", [*NEVER, *PRIVATE])
def test_an_unsafe_literal_is_refused_before_anything_is_sent(host: str) -> None:
    spelled = f"[{host}]" if ":" in host else host
    problem = address_problem(f"https://{spelled}/{CANARY}")
    assert problem
    assert host not in problem
    assert CANARY not in problem
    allowed = Bounds(frozenset({host}))
    assert bool(address_problem(f"https://{spelled}/", allowed)) == (host not in PRIVATE)


@pytest.mark.parametrize("host", SPELLINGS)
def test_no_spelling_of_an_address_gets_by(host: str) -> None:
    assert address_problem(f"https://{host}/x")


@pytest.mark.parametrize("address", [*NEVER, *PRIVATE])
async def test_an_unsafe_address_found_by_dns_is_never_dialled(address: str, sink: Sink) -> None:
    network = Network(sink)
    with pytest.raises(aiohttp.ClientConnectorError) as caught:
        await get("http://sink.example/", Egress.PUBLIC, Names([address]), network.dial)
    assert is_egress_blocked(caught.value)
    assert network.dialled == []
    assert sink.got == []


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254", "10.0.0.1", "[::ffff:127.0.0.1]", "127.1"])
async def test_an_unsafe_literal_is_not_dialled_either(host: str, sink: Sink) -> None:
    names, network = Names([PUBLIC_4]), Network(sink)
    with pytest.raises((aiohttp.ClientConnectorError, aiohttp.InvalidURL)):
        await get(f"http://{host}/", Egress.PUBLIC, names, network.dial)
    assert (names.asked, network.dialled, sink.got) == (0, [], [])


@pytest.mark.parametrize("address", [PUBLIC_4, PUBLIC_6])
async def test_a_public_address_is_dialled(address: str, sink: Sink) -> None:
    network = Network(sink)
    assert await get("http://sink.example/", Egress.PUBLIC, Names([address]), network.dial) == 200
    assert network.dialled == [address]


async def test_of_mixed_answers_only_the_public_ones_are_used(sink: Sink) -> None:
    network = Network(sink)
    names = Names(["10.0.0.1", PUBLIC_4, "::1", "169.254.169.254"])
    assert await get("http://sink.example/", Egress.PUBLIC, names, network.dial) == 200
    assert network.dialled == [PUBLIC_4]


async def test_a_name_that_is_bound_anew_after_the_check_leads_nowhere(sink: Sink) -> None:
    """Public at the first look-up, private from then on: one look-up a connection, and what it found is dialled."""
    names, network = Names([PUBLIC_4], ["127.0.0.1"]), Network(sink)
    async with aiohttp.ClientSession(connector=CheckedConnector(Egress.PUBLIC, names, network.dial)) as session:
        async with session.get("http://sink.example/", headers={"Connection": "close"}) as response:
            assert response.status == 200
        assert names.asked == 1
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await session.get("http://sink.example/")
    assert names.asked == 2
    assert is_egress_blocked(caught.value)
    assert network.dialled == [PUBLIC_4]
    assert len(sink.got) == 1


async def test_a_connection_that_ends_elsewhere_gets_no_request(sink: Sink) -> None:
    network = Network(sink, honest=False)  # the address was public; the peer is this machine
    with pytest.raises(aiohttp.ClientConnectorError) as caught:
        await get("http://sink.example/", Egress.PUBLIC, Names([PUBLIC_4]), network.dial)
    assert is_egress_blocked(caught.value)
    assert network.dialled == [PUBLIC_4]
    assert sink.got == []


async def test_a_resolver_that_is_not_checked_is_caught_at_the_socket(sink: Sink) -> None:
    class Unchecked(CheckedConnector):
        async def _resolve_host(self, host: str, port: int, traces: object = None) -> list[ResolveResult]:
            del traces
            return await Names(["127.0.0.1"]).resolve(host, port)

    network = Network(sink)
    async with aiohttp.ClientSession(connector=Unchecked(Egress.PUBLIC, dial=network.dial)) as session:
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await session.get("http://sink.example/")
    assert is_egress_blocked(caught.value)
    assert network.dialled == []


async def test_the_resolver_returns_allowed_addresses_only() -> None:
    names = Names([*NEVER, PUBLIC_4, *PRIVATE, PUBLIC_6])
    assert [each["host"] for each in await CheckedResolver(Egress.PUBLIC, names).resolve("x")] == [PUBLIC_4, PUBLIC_6]
    with pytest.raises(EgressBlocked):
        await CheckedResolver(Egress.PUBLIC, Names([*NEVER, *PRIVATE])).resolve("x")


async def test_a_name_without_an_address_is_not_blocked_by_the_egress_guard() -> None:
    with pytest.raises(OSError, match="no address") as caught:
        await CheckedResolver(Egress.PUBLIC, Names([])).resolve("sink.example")
    assert not isinstance(caught.value, EgressBlocked)


def reaching(
    names: Names, network: Network, *allowed: str, address: str = f"https://{CANARY}.example/x"
) -> HttpChannels:
    return HttpChannels(
        {"secops": Destination("secops", "teams", address, (), "TEAMS_URL")},
        RealClock(),
        allowed_hosts=frozenset(allowed),
        connect=lambda egress: CheckedConnector(egress, names, network.dial),
        timeout=PATIENCE,
    )


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "::1", "168.63.129.16", "::ffff:10.0.0.1"])
async def test_a_blocked_notice_is_not_sent_and_the_setting_is_named(
    address: str, sink: Sink, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    network = Network(sink)
    async with reaching(Names([address]), network) as sending:
        found = await sending.deliver(notice(), "secops")
    assert isinstance(found, TryAgain)
    assert "TEAMS_URL leads to a machine that is not public" in found.reason
    assert "GUARDRAILS_ALLOWED_HOSTS" in found.reason
    assert sink.got == []
    shown = "".join([repr(found), caplog.text, *capfd.readouterr()])
    assert CANARY not in shown
    assert address not in shown


async def test_an_unsafe_literal_fails_at_once(sink: Sink) -> None:
    network = Network(sink)
    async with reaching(Names([PUBLIC_4]), network, address="https://169.254.169.254/metadata") as sending:
        found = await sending.deliver(notice(), "secops")
    assert isinstance(found, Undeliverable)
    assert "TEAMS_URL is not a public one" in found.reason
    assert "169" not in found.reason
    assert network.dialled == []


NO_TLS = "route 'secops': no secure connection could be made"
"""What comes of talking TLS to the sink: it was connected to, and nothing went out in clear text."""


async def test_the_allow_list_lets_a_host_be_private_and_no_other(sink: Sink) -> None:
    network = Network(sink)
    async with reaching(Names(["10.0.0.4"]), network, f"{CANARY}.example") as sending:
        assert await sending.deliver(notice(), "secops") == TryAgain(NO_TLS)
    assert network.dialled == ["10.0.0.4"]
    async with reaching(Names(["10.0.0.4"]), network, "other.example", "example") as sending:
        assert "not public" in repr(await sending.deliver(notice(), "secops"))
    assert network.dialled == ["10.0.0.4"]


@pytest.mark.parametrize("address", NEVER)
async def test_the_allow_list_does_not_open_this_machine_or_its_metadata(address: str, sink: Sink) -> None:
    network = Network(sink)
    async with reaching(Names([address]), network, f"{CANARY}.example") as sending:
        assert "not public" in repr(await sending.deliver(notice(), "secops"))
    assert network.dialled == []


async def test_the_sandbox_may_send_to_this_machine_and_to_no_private_one(sink: Sink) -> None:
    routes = {
        "here": Destination("here", "teams", sink.address + "/x", (), "HERE"),
        "named": Destination("named", "teams", sink.address.replace("127.0.0.1", "localhost") + "/x", (), "NAMED"),
        "private": Destination("private", "teams", "https://10.0.0.1/x", (), "PRIVATE"),
    }
    async with HttpChannels(routes, RealClock(), allow_loopback=True) as sending:
        assert await sending.deliver(notice(), "here") == Delivered()
        assert await sending.deliver(notice(), "named") == Delivered()
        assert isinstance(await sending.deliver(notice(), "private"), Undeliverable)
    async with HttpChannels(routes, RealClock()) as sending:
        assert isinstance(await sending.deliver(notice(), "here"), Undeliverable)
    network = Network(sink)  # a name below localhost that somebody else's resolver answers
    names = Names([PUBLIC_4])
    with contextlib.suppress(aiohttp.ClientConnectorError):
        await get("http://a.localhost/", Bounds(loopback=True).of("a.localhost"), names, network.dial)
    assert network.dialled == []


async def test_a_proxy_is_used_for_hosts_on_the_allow_list_only(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://10.9.9.9:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    network = Network(sink)
    async with reaching(Names([PUBLIC_4]), network) as sending:
        await sending.deliver(notice(), "secops")
    assert network.dialled == [PUBLIC_4]  # directly
    async with reaching(Names([PUBLIC_4]), network, f"{CANARY}.example") as sending:
        await sending.deliver(notice(), "secops")
    assert network.dialled == [PUBLIC_4, "10.9.9.9"]


def test_the_allow_list_is_read_from_a_setting() -> None:
    assert read_hosts("") == read_hosts(" , ") == frozenset()
    found = read_hosts("Hooks.Contoso.internal., 10.1.2.3,FD00:0::1")
    assert found == {"hooks.contoso.internal", "10.1.2.3", "fd00::1"}
    bounds = Bounds(found)
    for host in ("hooks.contoso.internal", "HOOKS.contoso.internal.", "10.1.2.3", "fd00::1"):
        assert bounds.of(host) is Egress.PRIVATE
    for host in ("contoso.internal", "x.hooks.contoso.internal", "10.1.2.4", "localhost"):
        assert bounds.of(host) is Egress.PUBLIC


@pytest.mark.parametrize("wrong", [f"https://{CANARY}/", f"*.{CANARY}", f"{CANARY}:443", f"{CANARY}/x", "10.0.0.0/8"])
def test_an_entry_that_is_no_host_is_named_by_number(wrong: str) -> None:
    with pytest.raises(Misconfigured, match="number 2") as caught:
        read_hosts(f"fine.example,{wrong}")
    assert CANARY not in str(caught.value)
