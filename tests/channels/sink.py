"""A web server on loopback that answers as it is set to and keeps what it got."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Got:
    """One request as the sink received it."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Sink:
    """The server: `address` is where it listens; `answer` is called for every request."""

    address: str = ""
    got: list[Got] = field(default_factory=list)
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def always(self, status: int, body: bytes | str = b"", **headers: str) -> None:
        """Answer every request so."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}

        async def answer(_: web.Request) -> web.StreamResponse:
            content = body.encode() if isinstance(body, str) else body
            return web.Response(status=status, body=content, headers=named)

        self.answer = answer

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Keep the request and answer it."""
        self.got.append(Got(request.raw_path, dict(request.headers), await request.read()))
        assert self.answer is not None
        return await self.answer(request)


@asynccontextmanager
async def running() -> AsyncIterator[Sink]:
    """Run a sink on a free port; stalled answers are released at the end."""
    sink = Sink()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", sink.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sink.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield sink
    finally:
        sink.released.set()
        await runner.cleanup()
