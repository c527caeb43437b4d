"""The HTTP transport that every client of the Azure SDK gets here."""

from urllib.request import getproxies

from azure.core.pipeline.transport import AioHttpTransport


def transport() -> AioHttpTransport:
    """Return a transport: 5 s to connect, 15 s to answer.

    Unless a proxy is set in the environment, aiohttp is told not to look there: it would read ~/.netrc from disk at
    every request, which doubles the cost of a small one.
    """
    return AioHttpTransport(use_env_settings=bool(getproxies()), connection_timeout=5, read_timeout=15)
