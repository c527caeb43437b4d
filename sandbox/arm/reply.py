"""What a request comes to, before it is HTTP; and the event that Event Grid gets about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox.arm.target import Target
from sandbox.identity import Caller


@dataclass(frozen=True, slots=True)
class Reply:
    """A status, a JSON body (empty for none) and extra headers."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it comes in: the path decoded, the query taken apart, the absolute address it was sent to."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    host: str = ""
    url: str = ""
    client_ip: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Context:
    """What a request carries besides its path and body.

    `sent` are the bytes of its body; None where ARM itself makes it, as a deployment does.
    """

    caller: Caller
    host: str
    url: str
    client_request_id: str
    correlation_id: str
    client_ip: str = "127.0.0.1"
    client: str = ""
    sent: bytes | None = None
    policy_token: str = ""

    @property
    def address(self) -> str:
        """The scheme and host that were asked, such as `https://127.0.0.1:40123`."""
        scheme, _, _ = self.url.partition("://")
        return f"{scheme}://{self.host}"


@dataclass(frozen=True, slots=True)
class Call:
    """One request, taken apart. `body` is the parsed JSON, None for an empty one."""

    method: str
    target: Target
    version: str
    query: Mapping[str, str]
    body: Any
    context: Context

    @property
    def url(self) -> str:
        """The absolute address of the target, without a query: what a nextLink starts with."""
        return self.context.address + self.target.id


@dataclass(frozen=True, slots=True)
class Operation:
    """One write, delete or action that ARM has answered: the material of a Resource* event."""

    method: str
    action: str
    target: Target
    context: Context
    created: bool
    succeeded: bool
    moment: datetime
