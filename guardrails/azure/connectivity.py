"""A probe of the endpoint of Azure Resource Manager: whether a connection can be made, known within seconds.

There are no retries, and only the connection is waited for: an answer may take Resource Graph a while.
"""

import asyncio
import os
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from guardrails.errors import Retryable

_PORTS: Final = {"http": 80, "https": 443}


async def probe(endpoint: str, seconds: float) -> None:
    """Connect to an endpoint, or to its proxy where the environment names one, and hang up.

    Raises Retryable (arm-unreachable), naming the address, after at most `seconds`.
    """
    try:
        host, port, proxied = _way_to(endpoint)
    except ValueError as error:  # the endpoint was looked at when the settings were read
        raise unreachable(endpoint, f"the address of the proxy cannot be read: {error}") from error
    try:
        async with asyncio.timeout(seconds):
            await _connect(await _look_up(host, port), port)
    except TimeoutError:
        reason = f"no connection within {seconds:g} s"
    except (socket.gaierror, UnicodeError):  # UnicodeError: a name that no look-up takes
        reason = "its name could not be looked up"
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else type(error).__name__
    else:
        return
    raise unreachable(endpoint, f"{host}:{port}{' (the proxy)' if proxied else ''}: {reason}")


def unreachable(endpoint: str, why: str) -> Retryable:
    """Return (to raise) the error for an endpoint to which there is no connection."""
    remedy = "Check the network, VPN and proxy of this machine, and GUARDRAILS_ARM_ENDPOINT."
    return Retryable(
        f"Azure Resource Manager is unavailable at {endpoint}: {why}", code="arm-unreachable", remedy=remedy
    )


def _way_to(endpoint: str) -> tuple[str, int, bool]:
    """Return the host and port that are connected to, and whether they are a proxy's."""
    parts = urlsplit(endpoint)
    proxy = getproxies().get(parts.scheme, "")
    if proxy and not proxy_bypass(parts.hostname or ""):
        way = urlsplit(proxy if "//" in proxy else f"//{proxy}")
        return way.hostname or "", way.port or _PORTS.get(way.scheme, 80), True
    return parts.hostname or "", parts.port or _PORTS[parts.scheme], False


async def _look_up(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host. A look-up that hangs holds up neither the loop nor the end of the process."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Sequence[str]] = loop.create_future()

    def finish(addresses: Sequence[str], error: Exception | None) -> None:
        if not found.done():
            found.set_exception(error) if error else found.set_result(addresses)

    def work() -> None:
        addresses: Sequence[str] = ()
        failed: Exception | None = None
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(str(info[4][0]) for info in infos))
        except (OSError, UnicodeError) as error:
            failed = error
        with suppress(RuntimeError):  # the loop has gone: nobody waits any more
            loop.call_soon_threadsafe(finish, addresses, failed)

    threading.Thread(target=work, daemon=True, name="look-up").start()
    return await found


async def _connect(addresses: Sequence[str], port: int) -> None:
    """Connect to any of the addresses. Raises OSError where none takes a connection."""
    probing = [asyncio.ensure_future(_probe_address(address, port)) for address in addresses]
    failed: OSError = OSError("no address")
    try:
        for one in asyncio.as_completed(probing):
            try:
                return await one
            except OSError as error:
                failed = error
        raise failed
    finally:
        for task in probing:
            task.cancel()
        await asyncio.gather(*probing, return_exceptions=True)


async def _probe_address(address: str, port: int) -> None:
    _, writer = await asyncio.open_connection(address, port)
    writer.close()
