"""The egress guard: a notice goes to allowed addresses only, which is checked at the moment of connecting.

An address in a setting may be mistyped, or its host name be somebody else's: what it resolves to must not be a machine
of ours. Three checks, none of which trusts another: the resolver drops unfit addresses, no socket is made for an unfit
one (the address that was checked is the one dialled: a second look-up cannot slip in between), and the peer of the
connection is looked at before a request goes out.

Sources: the IANA special-purpose address registries (iana.org/assignments/iana-ipv4-special-registry and
iana-ipv6-special-registry) by way of `ipaddress`, and for 168.63.129.16 learn.microsoft.com/azure/virtual-network/
what-is-ip-address-168-63-129-16.
"""

import re
import socket
from collections.abc import Callable
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final, override

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from guardrails.dataclass import dataclass
from guardrails.errors import Misconfigured
from guardrails.lazy_regex import lazy_regex

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ClientRequest, ConnectionKey
    from aiohttp.connector import AddrInfoType, Connection
    from aiohttp.tracing import Trace

HOSTS_SETTING: Final = "GUARDRAILS_ALLOWED_HOSTS"
"""The app setting with the host names that may lead to private addresses."""

type Dial = Callable[["AddrInfoType"], socket.socket]


class Egress(Enum):
    """Which addresses a connection may have as its peer."""

    PUBLIC = "public"
    PRIVATE = "public, or of a private network: 10/8, 172.16/12, 192.168/16, 100.64/10, fc00::/7"
    LOOPBACK = "loopback"


class EgressBlocked(OSError):
    """A host leads to no address that may be connected to. Its text holds neither."""

    def __init__(self) -> None:
        super().__init__("the host leads to no address that may be connected to")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an installation allows.

    Attributes:
        hosts: host names, and literal addresses, that may lead to private addresses; see `read_hosts`.
        loopback: the sandbox's: hosts that are this machine by name may be connected to.
    """

    hosts: frozenset[str] = frozenset()
    loopback: bool = False

    def of(self, host: str) -> Egress:
        """Return which addresses a connection to the host may have. A host is a name or a literal, without brackets."""
        if self.loopback and is_this_machine(host):
            return Egress.LOOPBACK
        return Egress.PRIVATE if _normal(host) in self.hosts else Egress.PUBLIC


HOST_NAME: Final = lazy_regex(
    r"(?!.{254})([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?\.?", re.I
)
"""A host name (RFC 1123, with underscores). Its last label starts with A-Z: 127.1 and 2130706433 are no names."""


def read_hosts(text: str) -> frozenset[str]:
    """Return the hosts in a comma-separated list, as `Bounds.hosts`. Raises Misconfigured, whose text has no host."""
    entries = [entry.strip() for entry in text.split(",")]
    wrong = [str(at) for at, host in enumerate(entries, 1) if host and not (HOST_NAME.fullmatch(host) or literal(host))]
    if wrong:
        raise Misconfigured(
            f"the setting {HOSTS_SETTING} has entries that are no host names: number {', '.join(wrong)}",
            code="settings-broken",
            remedy="List whole host names, separated by commas: no https://, no port, no path, no wildcard.",
        )
    return frozenset(_normal(host) for host in entries if host)


def literal(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a host is spelled as, in its canonical form; None for names and other spellings."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def is_this_machine(host: str) -> bool:
    """Return whether a host is this machine by its name: localhost, a name below it, or a loopback address."""
    name = _normal(host)
    return name == "localhost" or name.endswith(".localhost") or fit(host, Egress.LOOPBACK)


def _normal(host: str) -> str:
    found = literal(host)
    return str(found) if found else host.lower().removesuffix(".")


_LOOPBACK: Final = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

_PRIVATE: Final = tuple(
    ip_network(each) for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)

_NEVER: Final = tuple(
    ip_network(each)
    for each in (
        "168.63.129.16/32",  # Azure's wire server: a public address that every virtual machine's host answers
        "169.254.0.0/16",  # link-local; 169.254.169.254 hands out tokens
        "fd00:ec2::254/128",  # the metadata service of another cloud, in private space
        "192.0.0.0/24",  # protocol assignments, two of which `ipaddress` calls global
        "192.88.99.0/24",  # 6to4 relays
        "2001::/23",  # Teredo, ORCHID and kin
        "2002::/16",  # 6to4: holds an IPv4 address
        "3fff::/20",  # documentation, newer than some versions of `ipaddress`
    )
)

_GLOBAL_UNICAST: Final = ip_network("2000::/3")
"""All of IPv6 that is handed out. Outside lie mapped, compatible and translated (64:ff9b::/96) IPv4 addresses too."""


def fit(address: str, egress: Egress) -> bool:
    """Return whether this address, a literal, is allowed as the peer of a connection."""
    found = literal(address)
    if found is None:
        return False
    if egress is Egress.LOOPBACK:
        return any(found in network for network in _LOOPBACK)
    if any(found in network for network in _NEVER):
        return False
    return _is_public(found) or (egress is Egress.PRIVATE and any(found in network for network in _PRIVATE))


def _is_public(found: IPv4Address | IPv6Address) -> bool:
    if isinstance(found, IPv6Address) and (found.scope_id is not None or found not in _GLOBAL_UNICAST):
        return False
    return found.is_global and not found.is_multicast


class CheckedResolver(AbstractResolver):
    """Another resolver's answers without the unfit addresses. Raises EgressBlocked where no fit one is left."""

    def __init__(self, egress: Egress, inner: AbstractResolver) -> None:
        self._egress = egress
        self._inner = inner

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not found:
            raise OSError(None, "the name has no address")
        kept = [each for each in found if fit(each["host"], self._egress)]
        if not kept:
            raise EgressBlocked
        return kept

    @override
    async def close(self) -> None:
        await self._inner.close()


def _socket(info: "AddrInfoType") -> socket.socket:
    return socket.socket(family=info[0], type=info[1], proto=info[2])


class CheckedConnector(aiohttp.TCPConnector):
    """Connects to allowed addresses only; others raise aiohttp.ClientConnectorError, see `is_egress_blocked`.

    Args:
        egress: which addresses are allowed.
        resolver: finds addresses; the system's where none is given. Every new connection asks it anew.
        dial: makes the socket for an address that was checked.
    """

    def __init__(self, egress: Egress, resolver: AbstractResolver | None = None, dial: Dial = _socket) -> None:
        self._egress = egress
        self._dial = dial
        super().__init__(
            # the resolver that asks the system in a thread holds nothing that must be closed
            resolver=CheckedResolver(egress, resolver or aiohttp.ThreadedResolver()),
            use_dns_cache=False,
            socket_factory=self._checked_socket,
        )

    def _checked_socket(self, info: "AddrInfoType") -> socket.socket:
        if not fit(str(info[4][0]), self._egress):
            raise EgressBlocked
        return self._dial(info)

    @override
    async def connect(
        self, req: "ClientRequest", traces: "list[Trace]", timeout: aiohttp.ClientTimeout
    ) -> "Connection":
        connection = await super().connect(req, traces, timeout)
        transport = connection.transport
        if transport is not None:  # None: it broke at once, and nothing can be sent on it
            peer = transport.get_extra_info("peername")
            if not peer or not fit(str(peer[0]), self._egress):
                connection.close()
                raise _beyond(req.connection_key)
        return connection


def _beyond(key: "ConnectionKey") -> aiohttp.ClientConnectorError:
    return aiohttp.ClientConnectorError(key, EgressBlocked())


def is_egress_blocked(error: BaseException | None) -> bool:
    """Return whether an error is, or was caused by, a host that leads to no fit address."""
    while error is not None:
        if isinstance(error, EgressBlocked) or isinstance(getattr(error, "os_error", None), EgressBlocked):
            return True
        error = error.__cause__
    return False
