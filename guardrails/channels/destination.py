"""Where one route leads: a channel, an address and its secrets. Addresses are secrets: they are never shown. Pure."""

from typing import Final, Literal
from urllib.parse import urlsplit

from guardrails.channels.egress_guard import HOST_NAME, HOSTS_SETTING, Bounds, Egress, fit, is_this_machine, literal
from guardrails.channels.webhook import key_of
from guardrails.dataclass import dataclass, field
from guardrails.errors import Misconfigured
from guardrails.runtime.settings import is_reference

type Channel = Literal["teams", "slack", "webhook", "eventgrid"]

CHANNELS: Final[tuple[Channel, ...]] = ("teams", "slack", "webhook", "eventgrid")

ANYWHERE_PUBLIC: Final = Bounds()

UNRESOLVED: Final = (
    "is a Key Vault reference that was not resolved; check the app's identity and the vault's access rules"
)


@dataclass(frozen=True, slots=True)
class Destination:
    """A route, resolved.

    Attributes:
        name: the route's name in the ruleset.
        channel: what is spoken there.
        address: the URL; a secret; "" where the setting is missing.
        secrets: `whsec_` texts to sign with; secrets; () for all but webhooks.
        address_setting, secret_setting: the names of the app settings that they come from.
    """

    name: str
    channel: str
    address: str = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    address_setting: str = ""
    secret_setting: str = ""

    def problem(self, bounds: Bounds = ANYWHERE_PUBLIC) -> str:
        """Return why nothing can be delivered there, with the setting to fix; "" where nothing is wrong."""
        if self.channel not in CHANNELS:
            return f"route '{self.name}' has the channel '{self.channel}'; there are {', '.join(CHANNELS)}"
        at = f"route '{self.name}': the address in the setting {self.address_setting or '(none named)'}"
        wrong = address_problem(self.address, bounds)
        if wrong:
            return f"{at} {wrong}"
        return self._secret_problem() if self.channel == "webhook" else ""

    def _secret_problem(self) -> str:
        setting = f"the setting {self.secret_setting or '(none named)'}"
        if not self.secrets:
            return f"route '{self.name}': {setting} holds no secret to sign with"
        if is_reference(self.secrets[0]):
            return f"route '{self.name}': {setting} {UNRESOLVED}"
        try:
            for secret in self.secrets:
                key_of(secret)
        except Misconfigured as error:
            return f"route '{self.name}': {error.message}, in {setting}"
        return ""


def address_problem(address: str, bounds: Bounds = ANYWHERE_PUBLIC) -> str:
    """Return what makes a URL unfit to send to, as the rest of a sentence that never holds the URL; "" where it is fit.

    https only; the sandbox may use http on this machine. What a name resolves to is checked when connecting, see
    `egress_guard`.
    """
    if not address:
        return "is missing"
    if is_reference(address):
        return UNRESOLVED
    if not address.isascii() or not address.isprintable() or " " in address or "\\" in address:
        return "has characters that no URL has"
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return "is not a URL"
    host = parts.hostname or ""
    known = literal(host) if "[" in parts.netloc else HOST_NAME.fullmatch(host) or literal(host)
    if not known or port == 0:
        return "is not a URL with a scheme and a host"
    if parts.username is not None or parts.password is not None:
        return "has a user name or password in it"
    return _egress_problem(parts.scheme, host, bounds)


def _egress_problem(scheme: str, host: str, bounds: Bounds) -> str:
    egress = bounds.of(host)
    if egress is Egress.LOOPBACK:
        return "" if scheme in ("http", "https") else "does not start with https:// or http://"
    if is_this_machine(host):
        return "is on this machine itself"
    if scheme != "https":
        return "does not start with https://"
    if literal(host) and not fit(host, egress):
        return f"is not a public one; the setting {HOSTS_SETTING} lists the hosts that may be private"
    return ""
