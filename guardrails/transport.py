"""The HTTP transport that every client of the Azure SDK gets here."""

from typing import Final
from urllib.request import getproxies

from aiohttp import ClientConnectionError, ClientHandlerType, ClientOSError, ClientRequest, ClientResponse
from aiohttp import ServerDisconnectedError as Disconnected
from azure.core.pipeline.transport import AioHttpTransport

_PROXIES: Final = ("http", "https", "all")


def proxied() -> bool:
    """Whether the environment (on Windows and macOS the system) names a proxy. NO_PROXY alone names none."""
    found = getproxies()
    return any(found.get(name) for name in _PROXIES)


def transport(*, connect: float = 5) -> AioHttpTransport:
    """Return a transport: `connect` seconds for a connection and its TLS, 15 s to answer.

    Unless a proxy is set in the environment, aiohttp is told not to look there: it would read ~/.netrc from disk at
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
