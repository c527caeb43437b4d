"""Where one route leads: a channel, an address and its secrets. Addresses are secrets: they are never shown. Pure."""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import SplitResult, urlsplit

from guardrails.errors import Misconfigured
from guardrails.notify.webhook import key_of

type Channel = Literal["teams", "webhook"]

CHANNELS: Final[tuple[Channel, ...]] = ("teams", "webhook")


@dataclass(frozen=True, slots=True)
class Destination:
    """A route, resolved.

    Attributes:
        name: the route's name in the ruleset.
        channel: what is spoken there.
        address: the URL; a secret; "" where the setting is missing.
        secrets: `whsec_` texts to sign with; secrets; () for Teams.
        address_setting, secret_setting: the names of the app settings that they come from.
    """

    name: str
    channel: str
    address: str = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    address_setting: str = ""
    secret_setting: str = ""

    def problem(self, *, allow_loopback: bool = False) -> str:
        """Return why nothing can be delivered there, with the setting to mend; "" where nothing is wrong."""
        if self.channel not in CHANNELS:
            return f"route '{self.name}' has the channel '{self.channel}'; there are {' and '.join(CHANNELS)}"
        at = f"route '{self.name}': the address in the setting {self.address_setting or '(none named)'}"
        wrong = address_problem(self.address, allow_loopback=allow_loopback)
        if wrong:
            return f"{at} {wrong}"
        return self._secret_problem() if self.channel == "webhook" else ""

    def _secret_problem(self) -> str:
        setting = f"the setting {self.secret_setting or '(none named)'}"
        if not self.secrets:
            return f"route '{self.name}': {setting} holds no secret to sign with"
        try:
            for secret in self.secrets:
                key_of(secret)
        except Misconfigured as error:
            return f"route '{self.name}': {error.message}, in {setting}"
        return ""


def address_problem(address: str, *, allow_loopback: bool = False) -> str:
    """Return what makes a URL unfit to send to, as the rest of a sentence that never holds the URL; "" where it is fit.

    https only. The sandbox allows loopback, also over http. Which addresses a name resolves to is not looked at.
    """
    if not address:
        return "is missing"
    if address.startswith("@Microsoft.KeyVault"):
        return "is a Key Vault reference that was not resolved; check the app's identity and the vault's access rules"
    if not address.isascii() or not address.isprintable() or " " in address or "\\" in address:
        return "has characters that no URL has"
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return "is not a URL"
    host = parts.hostname or ""
    known = _is_ip(host) if "[" in parts.netloc else _is_host(host)
    if not known or port == 0:
        return "is not a URL with a scheme and a host"
    if parts.username is not None or parts.password is not None:
        return "has a user name or password in it"
    return _reach_problem(parts, allow_loopback=allow_loopback)


def _reach_problem(parts: SplitResult, *, allow_loopback: bool) -> str:
    loopback = _is_loopback(parts.hostname or "")
    if loopback and allow_loopback and parts.scheme in ("http", "https"):
        return ""
    if loopback:
        return "is on this machine itself"
    return "" if parts.scheme == "https" else "does not start with https://"


_HOST: Final = re.compile(
    r"(?!.{254})([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?\.?", re.I
)
"""A host name (RFC 1123, with underscores). Its last label starts with a letter: 127.1 and 2130706433 are no names."""


def _is_host(host: str) -> bool:
    return bool(_HOST.fullmatch(host)) or _is_ip(host)


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    if host.rstrip(".") == "localhost" or host.rstrip(".").endswith(".localhost"):
        return True
    if not _is_ip(host):
        return False
    found = ipaddress.ip_address(host)
    return found.is_loopback or found.is_unspecified  # a connection to 0.0.0.0 ends on this machine
