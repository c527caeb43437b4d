"""The HTTP transport that every client of the Azure SDK gets here, and what its answers may be."""

import zlib
from contextvars import ContextVar
from http.client import HTTPException
from typing import Any, Final
from urllib.request import getproxies

from aiohttp import ClientConnectionError, ClientHandlerType, ClientOSError, ClientRequest, ClientResponse
from aiohttp import ServerDisconnectedError as Disconnected
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.transport import AioHttpTransport

_UNREADABLE: Final = (
    zlib.error, HTTPException, ValueError, TypeError, LookupError, AttributeError, SyntaxError, RecursionError,
)  # fmt: skip
"""What the SDK raises, besides its own errors, where it reads an answer that is not the service's. XML: SyntaxError."""

_ASKED: ContextVar[bool] = ContextVar("_ASKED", default=False)
"""Whether the call at hand has made a request yet."""


class Foreign(Exception):
    """An answer that is not the service's, whether or not the SDK can read it."""


def asking(_: PipelineRequest[Any]) -> None:
    """Note that a request is made: the `raw_request_hook` of clients that are called within `reading`."""
    _ASKED.set(True)


class reading:  # noqa: N801 - used as a function is
    """Raise Foreign where the SDK trips over an answer.

    Around calls of the SDK and nothing else. It raises the same kinds of errors for arguments that make no request:
    those are a defect of ours, and stay what they are.
    """

    def __enter__(self) -> None:
        _ASKED.set(False)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _UNREADABLE) and _ASKED.get():
            raise Foreign(type(error).__name__) from error


_PROXIES: Final = ("http", "https", "all")


def proxied() -> bool:
    """Whether the environment (on Windows and macOS the system) names a proxy. NO_PROXY alone names none."""
    found = getproxies()
    return any(found.get(name) for name in _PROXIES)


def transport(*, connect: float = 5) -> AioHttpTransport:
    """Return a transport: `connect` seconds for a connection and its TLS, 15 s to answer.

    Unless a proxy is set in the environment, aiohttp does not look for one: it would read ~/.netrc from disk at
    every request, which doubles the cost of a small one.
    """
    return AioHttpTransport(use_env_settings=proxied(), connection_timeout=connect, read_timeout=15)


async def once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Let no request be sent twice, as a middleware: aiohttp repeats a PUT or DELETE whose connection went away.

    Raises ClientConnectionError instead, which it does not.
    """
    try:
        return await handler(request)
    except (ClientOSError, Disconnected) as error:
        raise ClientConnectionError(str(error)) from error
