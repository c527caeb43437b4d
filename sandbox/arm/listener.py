"""One HTTP listener on an ephemeral loopback port, in the running event loop."""

from collections.abc import Awaitable, Callable

from aiohttp import web

type Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Listener:
    """Serves one handler without a router: the stand-ins choose by path themselves, which is cheaper per request."""

    def __init__(self, handler: Handler, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._runner = web.ServerRunner(web.Server(handler, access_log=None), shutdown_timeout=0.2)
        self._host = host
        self._port = port
        self.address = ""

    async def start(self) -> str:
        """Bind and return the address, such as `http://127.0.0.1:40123`."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port, backlog=1024)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.address = f"http://{host}:{port}"
        return self.address

    async def stop(self) -> None:
        await self._runner.cleanup()
