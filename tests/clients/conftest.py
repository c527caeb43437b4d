"""The whole sandbox, started as a user starts it, for clients that are programs of their own.

A module here marks its tests `long` and `xdist_group("clients")`, so that all of them share one sandbox; the names of
the exemptions that it writes begin with the client's.
"""

import asyncio
import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

from guardrails.exemption.exemption_id import ExemptionId
from guardrails.register import table_register
from guardrails.wiring import SystemClock
from sandbox.stack import ROOT
from sandbox.tenant import ALICE, AUTHORIZATION, MANAGEMENT_GROUP, PIPELINE, VERSION
from tests import needs
from tests.patience import PATIENCE

FOLDER: Final = ROOT / "build" / "clients"
LISTS: Final = Path(__file__).parent
INSTALL_SECONDS: Final = 1200.0
WAIT_SECONDS: Final = 60.0
"""How long a test waits for the service while nothing of what it looks at changes; MOST_WAITS times that in all."""
MOST_WAITS: Final = 5
ABOVE: Final = f"{MANAGEMENT_GROUP}{AUTHORIZATION}/policyAssignments/tenant-baseline"
"""An assignment at the management group, of the same initiative as sandbox.tenant.ASSIGNMENT."""
NOWHERE: Final = "http://127.0.0.1:9"
"""A proxy that is not there, so that what a client sends to anywhere but loopback (azure-cli: for its newest version)
fails at once and here."""
_NOT_OURS: Final = ("AZURE_", "ARM_", "IDENTITY_", "MSI_", "GUARDRAILS_", "SANDBOX_", "NODE_", "PYTHON", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Site:
    """A running sandbox with the service, and what an operator does and sees in it.

    Attributes:
        shown: the JSON that `python -m sandbox up` prints; docs/sandbox.md has its keys.
        folder: with sandbox.env, sandbox-ca.pem (the authority alone) and sandbox-ca-bundle.pem (public ones too).
        environment: all variables of a shell that loaded sandbox.env, and nothing that points at another Azure. The
            certificates are in REQUESTS_CA_BUNDLE, SSL_CERT_FILE and NODE_EXTRA_CA_CERTS, the service's own managed
            identity in IDENTITY_ENDPOINT and IDENTITY_HEADER.
    """

    shown: Mapping[str, Any]
    folder: Path
    environment: Mapping[str, str]

    @property
    def arm(self) -> str:
        """Azure Resource Manager with TLS, such as `https://127.0.0.1:40123`."""
        return str(self.shown["arm_tls"])

    @property
    def ca(self) -> Path:
        """The certificate of the sandbox's authority, PEM."""
        return Path(self.shown["ca"])

    @property
    def client_id(self) -> str:
        """Of the approved pipeline's managed identity, as whom clients log in. Without it they are the service."""
        return str(self.shown["identities"][PIPELINE.name])

    @property
    def token(self) -> str:
        """A bearer token of the approved pipeline's."""
        return str(self.shown["tokens"][PIPELINE.name])

    def run(self, *command: str, seconds: float = 120, **more: str) -> str:
        """Run a client to its end in `environment` and `more`; return what it printed. Fails if its exit code is not 0.

        Raises:
            subprocess.TimeoutExpired: after `seconds`.
        """
        done = self.attempt(*command, seconds=seconds, **more)
        assert done.returncode == 0, f"{shlex.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def attempt(self, *command: str, seconds: float = 120, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a client as `run` does, whatever its exit code is."""
        return subprocess.run(  # noqa: S603 - a command of a test's, no shell
            command, env={**self.environment, **more}, cwd=self.folder, capture_output=True, text=True,
            timeout=seconds, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def control(self, method: str, name: str, body: Any = None, part: str = "arm") -> Any:
        """Call a stand-in's control API; see sandbox/arm/control.py and sandbox/sink.py."""
        status, said = send(method, f"{self.shown[part]}/_sandbox/{name}", body)
        assert status == 200, said
        return said

    def body(self, exemption: str) -> Any:
        """Return an exemption as Azure Resource Manager has it; None where it has none."""
        url = f"{self.shown['arm']}{quote(exemption)}?api-version={VERSION}"
        status, said = send("GET", url, token=self.shown["tokens"][ALICE.name])
        assert status in (200, 404), said
        return said if status == 200 else None

    def guardrails(self, *arguments: str) -> Any:
        """Run a command of `python -m guardrails` as an operator of this sandbox; return the JSON that it prints."""
        said = self.run(sys.executable, "-m", "guardrails", *arguments, "--format", "json", PYTHONPATH=str(ROOT))
        return json.loads(said)

    def events(self, exemption: str) -> list[str]:
        """Return the events in an exemption's history, oldest first; [] for one that the register never saw."""
        return asyncio.run(_events(self.shown["storage"], ExemptionId.parse(exemption)))

    def recorded(self, exemption: str, event: str) -> list[str]:
        """Wait until the last event in an exemption's history is this one: written, tagged, reverted, put-back, ..."""
        return until(lambda: self.events(exemption), lambda found: found[-1:] == [event], f"{exemption} is not {event}")

    @contextmanager
    def answered(self, exemption: str, event: str) -> Iterator[None]:
        """Wait until the service has answered what is done within: there is more history, and this event is the last.

        Fails as `until` does.
        """
        before = len(self.events(exemption))
        yield

        def look() -> list[str]:
            return self.events(exemption)[before:]

        until(look, lambda found: found[-1:] == [event], f"what was done to {exemption} is not {event}")

    def tagged(self, exemption: str) -> Any:
        """Wait until the service has tagged an exemption; return it."""
        self.recorded(exemption, "tagged")
        return self.body(exemption)

    def reverted(self, exemption: str) -> None:
        """Wait until the service has reverted an exemption by deleting it."""
        self.recorded(exemption, "reverted")
        assert self.body(exemption) is None

    def restore(self, exemption: str) -> Any:
        """Have an operator undo the last revert or delete of an exemption; return it.

        What breaks a rule is tagged then: wait for that by `answered`.
        """
        before = len(self.events(exemption))
        self.guardrails("restore", exemption, "--by", "operator@contoso.com")
        assert "restored" in self.events(exemption)[before:]
        return self.body(exemption)


async def _events(storage: str, exemption: ExemptionId) -> list[str]:
    async with table_register.connect(clock=SystemClock(), connection_string=storage) as register:
        return [entry.event for entry in await register.history(exemption)]


def until[T](look: Callable[[], T], wanted: Callable[[T], bool], what: str, seconds: float = WAIT_SECONDS) -> T:
    """Return the first of what `look` finds that is `wanted`; fail once it found the same for so many seconds."""
    last, since, began = None, time.monotonic(), time.monotonic()
    while not wanted(found := look()):
        now = time.monotonic()
        if found != last:
            last, since = found, now
        waited = f"after {now - began:.0f} s {what}: {found}"
        assert now - since < seconds, waited
        assert now - began < seconds * MOST_WAITS, waited
        time.sleep(0.1)
    return found


def send(method: str, url: str, body: Any = None, token: str = "") -> tuple[int, Any]:
    """Send one request; return status and JSON body."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - of the sandbox
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=PATIENCE) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read() or b"null")


def loaded(lines: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a shell that loads a file of exports."""
    dump = [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"]
    script = f". {shlex.quote(str(lines))}; exec {shlex.join(dump)}"
    said = subprocess.run(  # noqa: S603 - a fixed command
        ["/bin/sh", "-c", script], env=dict(environment), capture_output=True, text=True, check=True
    )
    found: dict[str, str] = json.loads(said.stdout)
    return found


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The sandbox by `python -m sandbox up`, with an assignment at the management group besides."""
    folder = tmp_path_factory.mktemp("clients")
    bare = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_OURS)}
    command = [sys.executable, "-m", "sandbox", "up", "--folder", str(folder)]
    with (
        (folder / "sandbox.log").open("w") as log,
        subprocess.Popen(  # noqa: S603 - a fixed command
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        ) as process,
    ):
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line, (folder / "sandbox.log").read_text("utf-8")
            environment = {
                **loaded(folder / "sandbox.env", bare),
                "HOME": str(folder),
                "AZURE_CORE_COLLECT_TELEMETRY": "false",
                **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), NOWHERE),
                "NO_PROXY": "127.0.0.1,localhost",
            }
            site = Site(json.loads(line), folder, environment)
            initiative = f"{AUTHORIZATION}/policySetDefinitions/storage-baseline"
            site.control("POST", "seed", {"id": ABOVE, "body": {"properties": {"policyDefinitionId": initiative}}})
            yield site
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture(scope="session")
def python_client() -> Callable[[str], Path]:
    """Return a function that makes the environment build/clients/NAME of what NAME.txt beside this file pins.

    It gives the folder of its programs, and leaves an environment that is there and fits as it is. The test is skipped
    where pip cannot fetch.
    """
    return installed


def installed(name: str) -> Path:
    """Return the folder of programs of one client's environment, which is made if need be."""
    listed, folder = LISTS / f"{name}.txt", FOLDER / name
    stamp = folder / ".stamp"
    wanted = hashlib.sha256(listed.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.is_file() and stamp.read_text("ascii") == wanted:
        return folder / "bin"
    environment = {**os.environ, "PIP_CACHE_DIR": str(FOLDER / "pip-cache"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(folder / "bin" / "pip"), "install", "--quiet", "--no-deps", "--only-binary", ":all:",
         "--retries", "1", "--timeout", "15", "--requirement", str(listed)],
    ):  # fmt: skip
        done = subprocess.run(  # noqa: S603 - a fixed command
            command, env=environment, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
        if done.returncode:
            needs.missing(f"{name} cannot be installed: {done.stderr.strip()[-300:]}")
    stamp.write_text(wanted, "ascii")
    return folder / "bin"
