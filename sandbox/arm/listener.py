"""One HTTP listener on an ephemeral loopback port, and if wanted a second one with TLS, in the running event loop."""

import ssl
from collections.abc import Awaitable, Callable

from aiohttp import web

type Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Listener:
    """Serves one handler without a router: the stand-ins choose by path themselves, which is cheaper per request."""

    def __init__(self, handler: Handler, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._runner = web.ServerRunner(web.Server(handler, access_log=None), shutdown_timeout=0.2)
        self._host = host
        self._port = port
        self.address = self.tls_address = ""

    async def start(self, tls: ssl.SSLContext | None = None) -> str:
        """Bind and return the address, such as `http://127.0.0.1:40123`. With `tls`, `tls_address` is one more."""
        await self._runner.setup()
        self.address = await self._bind("http", self._port)
        if tls:
            self.tls_address = await self._bind("https", 0, tls)
        return self.address

    async def _bind(self, scheme: str, port: int, tls: ssl.SSLContext | None = None) -> str:
        await web.TCPSite(self._runner, self._host, port, backlog=1024, ssl_context=tls).start()
        host, bound = self._runner.addresses[-1][:2]
        return f"{scheme}://{host}:{bound}"

    async def stop(self) -> None:
        await self._runner.cleanup()
