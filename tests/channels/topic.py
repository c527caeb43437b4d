"""An Event Grid topic on loopback that refuses what the real one refuses, and a credential for it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from tests.channels.sink import Sink, running

TOKEN = "token-of-the-service"
SCOPE = "https://eventgrid.azure.net/.default"


class Credential:
    """Gives TOKEN, or fails; keeps the scopes that were asked for."""

    def __init__(self, *, broken: bool = False) -> None:
        self.scopes: list[str] = []
        self._broken = broken

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.scopes += scopes
        if self._broken:
            raise ClientAuthenticationError("no identity at https://secret.example")
        return AccessToken(TOKEN, 2**33)

    async def close(self) -> None:
        """Nothing is open."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


@dataclass
class Topic:
    """The topic: `events` is what it took; `status`, where it is not 200, is what it answers to good requests."""

    sink: Sink
    endpoint: str
    events: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    async def take(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("api-version") != "2018-01-01" or request.path != "/api/events":
            return web.Response(status=404)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
        if request.content_type != "application/cloudevents-batch+json":
            return web.Response(status=400)
        body = await request.read()
        batch = json.loads(body)
        needed = {"specversion", "id", "source", "type"}
        if not isinstance(batch, list) or not all(needed <= set(event) for event in batch):
            return web.Response(status=400)
        if len(body) > 1024 * 1024:
            return web.Response(status=413)
        if self.status == 200:
            self.events += batch
        return web.Response(status=self.status, headers=self.headers)


@asynccontextmanager
async def topic() -> AsyncIterator[Topic]:
    """Run a topic on a free port."""
    async with running() as sink:
        found = Topic(sink, f"{sink.address}/api/events")
        sink.answer = found.take
        yield found
