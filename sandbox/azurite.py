"""Azurite, Microsoft's storage emulator: real tables, queues and blobs on free loopback ports."""

import asyncio
import atexit
import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parent.parent
NODE_FILE = ROOT / ".tools" / "node-path"  # written by tools/setup.sh: the node binary that is new enough
SCRIPT = ROOT / "sandbox" / "node" / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
EXIT_WITH_PARENT = ROOT / "sandbox" / "node" / "exit-with-parent.js"

ACCOUNT = "devstoreaccount1"
# The account key that every Azurite has, from Microsoft's documentation ("Well-known storage account and key").
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

LISTENING = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at http://127\.0\.0\.1:(\d+)")
START_SECONDS = 300.0
STOP_SECONDS = 3.0


class AzuriteError(Exception):
    """Azurite could not be started: the text says why and what to do."""


class Azurite:
    """One Azurite process group. Use `async with Azurite() as storage:`, or `start()` and `stop()`.

    `location` is a folder that keeps the data between starts; without one everything is in memory. `blob`, `queue` and
    `table` are the services' addresses, such as `http://127.0.0.1:40001/devstoreaccount1`, known once it runs.

    Raises:
        AzuriteError: it is not installed, or did not start within five minutes.
    """

    def __init__(self, location: Path | None = None) -> None:
        self.location = location
        self.blob = self.queue = self.table = ""
        self._process: subprocess.Popen[str] | None = None
        self._output: deque[str] = deque(maxlen=50)
        self._ports: dict[str, int] = {}
        self._answered = threading.Event()

    @property
    def connection_string(self) -> str:
        """For any Azure storage client, as AzureWebJobsStorage has it."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint={self.blob};QueueEndpoint={self.queue};TableEndpoint={self.table};"
        )

    def start(self) -> Self:
        """Start it and wait until all three services listen. It also ends with this process, however that ends."""
        if self._process:
            raise AzuriteError("this Azurite runs already")
        if not SCRIPT.is_file():
            raise AzuriteError("Azurite is not installed: run `make setup` in the repository's folder")
        storage = ["--location", str(self.location)] if self.location else ["--inMemoryPersistence"]
        ports = ["--blobPort", "0", "--queuePort", "0", "--tablePort", "0"]  # it picks free ones and prints them
        self._ports.clear()
        self._answered.clear()
        options = ["--silent", "--disableTelemetry", "--skipApiVersionCheck", *storage, *ports]
        self._process = subprocess.Popen(  # noqa: S603 - a fixed command, no shell
            [node(), "--require", str(EXIT_WITH_PARENT), str(SCRIPT), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            cwd=self.location or ROOT,
        )
        atexit.register(self.stop)
        threading.Thread(target=self._read, args=(self._process,), name="azurite-output", daemon=True).start()
        answered = self._answered.wait(START_SECONDS)
        if len(self._ports) < 3:
            why = f"exit code {self._process.wait()}" if answered else "timed out"
            self.stop()
            said = "".join(self._output).strip() or "(it printed nothing)"
            then = "Run it again; if it stays so, `make distclean` takes everything out, and make installs it anew"
            raise AzuriteError(f"Azurite did not start ({why}):\n{said}\n{then}")
        self.blob, self.queue, self.table = (
            f"http://127.0.0.1:{self._ports[service]}/{ACCOUNT}" for service in ("Blob", "Queue", "Table")
        )
        return self

    def stop(self) -> None:
        """End it and whatever it started. Safe to call twice."""
        process, self._process = self._process, None
        if process is None:
            return
        atexit.unregister(self.stop)
        with contextlib.suppress(ProcessLookupError):
            if self.location:  # it has something to save, and takes its time while clients stay connected
                os.killpg(process.pid, signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(STOP_SECONDS)
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdin:
            process.stdin.close()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)

    def _read(self, process: subprocess.Popen[str]) -> None:
        """Follow its output to the end, so that its pipe never fills."""
        if process.stdout is None:
            return
        with process.stdout as lines:
            for line in lines:
                self._output.append(line)
                if found := LISTENING.search(line):
                    self._ports[found[1]] = int(found[2])
                    if len(self._ports) == 3:
                        self._answered.set()
        self._answered.set()  # it ended


def node() -> str:
    """The node binary that set-up recorded, else the machine's."""
    recorded = NODE_FILE.read_text(encoding="utf-8").strip() if NODE_FILE.is_file() else ""
    node = recorded if recorded and Path(recorded).is_file() else shutil.which("node")
    if not node:
        raise AzuriteError("Node.js 20 or newer is missing: run `make setup` in the repository's folder")
    return node
