"""Chromium without a window, over its DevTools protocol (chromedevtools.github.io/devtools-protocol)."""

import asyncio
import base64
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

_FLAGS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--disable-lcd-text",
    "--font-render-hinting=none", "--allow-file-access-from-files", "--remote-debugging-port=0",
)  # fmt: skip
"""No sandbox: it cannot be had as root or in most containers, and all that is opened is our own page."""

_PATIENCE: Final = 300.0
"""Seconds for the browser to start, and for one command."""


def find() -> str | None:
    """Return the path of a Chromium: CHROMIUM in the environment, or one on the PATH."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """One open page."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)

    async def command(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command and return its result. Raises RuntimeError where the browser refuses it."""
        number = next(self._ids)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(_PATIENCE):
            while True:
                answer = await self._socket.receive_json()
                if answer.get("id") == number:
                    break
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error'].get('message')}")
        result: dict[str, Any] = answer["result"]
        return result

    async def open(self, address: str) -> None:
        """Open a page and wait until it is loaded, its scripts included."""
        await self.command("Page.enable")
        number, loaded, answered = next(self._ids), False, False
        await self._socket.send_json({"id": number, "method": "Page.navigate", "params": {"url": address}})
        async with asyncio.timeout(_PATIENCE):
            while not (loaded and answered):  # they come in either order
                message = await self._socket.receive_json()
                loaded |= message.get("method") == "Page.loadEventFired"
                answered |= message.get("id") == number

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression. Raises RuntimeError where it throws."""
        return await self._evaluate(expression, promise=False)

    async def wait(self, expression: str) -> Any:
        """Return what the promise of a JavaScript expression comes to. Raises RuntimeError where it throws."""
        return await self._evaluate(expression, promise=True)

    async def _evaluate(self, expression: str, *, promise: bool) -> Any:
        found = await self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=promise)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"].get("exception", {}).get("description", "the script failed"))
        return found["result"].get("value")

    async def screen(self, width: int, height: int) -> None:
        """Set the size of the window, in CSS pixels."""
        await self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    async def scheme(self, name: str) -> None:
        """Set what the page takes for the reader's choice: light or dark."""
        await self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    async def print(self) -> bytes:
        """Return the page on A4 paper, as PDF."""
        found = await self.command("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=True)
        return base64.b64decode(found["data"])

    async def picture(self, width: int, height: int) -> bytes:
        """Return the page's top left corner as PNG; sizes in CSS pixels."""
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        found = await self.command("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(found["data"])


@contextmanager
def running(browser: str) -> Iterator[str]:
    """Run a browser with a profile of its own, and give the address of its DevTools. Both end after use.

    Raises RuntimeError where it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="pictures-", ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(  # noqa: S603 - the browser that was asked for
            [browser, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield f"http://127.0.0.1:{_port(Path(profile) / 'DevToolsActivePort', process)}"
        finally:
            process.terminate()
            process.wait()


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[Tab]:
    """Open an empty page in a browser that runs; close it after use."""
    async with aiohttp.ClientSession(address) as session:
        async with session.put("/json/new?about:blank") as answer:
            page = await answer.json()
        async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            one = Tab(socket)
            await one.command("Page.bringToFront")  # what is behind has no focus, and its clock is slow
            yield one
        async with session.get(f"/json/close/{page['id']}"):
            pass


@asynccontextmanager
async def tab(browser: str) -> AsyncIterator[Tab]:
    """Run a browser for one page."""
    with running(browser) as address:
        async with opened(address) as one:
            yield one


def _port(file: Path, process: subprocess.Popen[bytes]) -> str:
    """Return the port that the browser listens on, which it writes into its profile."""
    until = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < until:
        lines = file.read_text().splitlines() if file.exists() else []
        if len(lines) > 1:
            return lines[0]
        time.sleep(0.05)
    raise RuntimeError(f"the browser did not start: exit code {process.returncode}")
