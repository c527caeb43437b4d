"""A probe of an address that notices go to: its name is looked up and a connection made, and nothing is sent.

The egress guard is that of delivery: the address that was checked is the one dialled.
"""

import asyncio
import ssl
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver

from guardrails.channels.egress_guard import HOSTS_SETTING, Bounds, CheckedResolver, Egress, EgressBlocked
from guardrails.exemption.facts import Unread
from guardrails.runtime.transport import proxied

TIMEOUT: Final = 10.0
"""Seconds for each of the look-up and the connection."""


async def probe(
    address: str,
    bounds: Bounds,
    *,
    resolver: AbstractResolver | None = None,
    trust: ssl.SSLContext | None = None,
    seconds: float = TIMEOUT,
) -> str | Unread:
    """Connect to the host of an address and hang up; return "" or what failed, in words that hold no address.

    Args:
        address: one that `Destination.problem` found no fault with.
        bounds: what the installation allows.
        resolver: finds addresses; the system's where none is given.
        trust: which certificates are accepted; the system's where none is given.
        seconds: for each step.
    """
    parts = urlsplit(address)
    host, secure = parts.hostname or "", parts.scheme == "https"
    egress = bounds.of(host)
    if egress is Egress.PRIVATE and proxied():
        return Unread("notices go there by a proxy, which alone knows")
    port = parts.port or (443 if secure else 80)
    try:
        async with asyncio.timeout(seconds):
            found = await CheckedResolver(egress, resolver or aiohttp.ThreadedResolver()).resolve(host, port)
    except EgressBlocked:
        return f"the host leads to a machine that is not public; if it is meant to be, add it to {HOSTS_SETTING}"
    except (OSError, TimeoutError):
        return "the host name could not be resolved"
    context = (trust or ssl.create_default_context()) if secure else None
    failed = "no connection could be made"
    for one in found:
        failed = await _dial(one["host"], port, context, host, seconds)
        if not failed:
            break
    return failed


async def _dial(literal: str, port: int, context: ssl.SSLContext | None, host: str, seconds: float) -> str:
    try:
        async with asyncio.timeout(seconds):
            name = host if context else None
            _, writer = await asyncio.open_connection(literal, port, ssl=context, server_hostname=name)
    except ssl.SSLCertVerificationError:
        return "the certificate was not accepted"
    except ssl.SSLError:
        return "no secure connection could be made"
    except TimeoutError:
        return f"no connection within {seconds:g} s"
    except OSError:
        return "no connection could be made"
    writer.close()
    try:
        async with asyncio.timeout(1.0):
            await writer.wait_closed()
    except (OSError, TimeoutError):  # the other side was quicker, or does not say goodbye: we were there
        writer.transport.abort()
    return ""
