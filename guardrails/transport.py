"""The HTTP transport that every client of the Azure SDK gets here."""

from urllib.request import getproxies

from azure.core.pipeline.transport import AioHttpTransport


def transport(*, connect: float = 5) -> AioHttpTransport:
    """Return a transport: `connect` seconds for a connection and its TLS, 15 s to answer.

    Unless a proxy is set in the environment, aiohttp is told not to look there: it would read ~/.netrc from disk at
    every request, which doubles the cost of a small one.
    """
    return AioHttpTransport(use_env_settings=bool(getproxies()), connection_timeout=connect, read_timeout=15)
