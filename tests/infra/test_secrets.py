"""infra/scripts/secrets.sh, run for real with a stand-in for az: where do the values go, and who could see them?"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from guardrails.channels.webhook import key_of
from tests.infra.bicep import INFRA
from tests.patience import PATIENCE

ADDRESS = "https://example.invalid/workflows/canary-7f3?sig=s3cret&x='\"$HOME\\"
AZ = """#!{python}
import json, os, pathlib, sys
args = sys.argv[1:]
given = dict(zip(args[3::2], args[4::2]))
store = pathlib.Path({store!r})
name = given["--name"]
with (store / "calls").open("a") as calls:
    calls.write(json.dumps(args) + "\\n")
if args[2] == "show":
    kept = store / name
    if not kept.exists():
        sys.exit("(SecretNotFound) no such secret")
    print(kept.read_text())
else:
    value = pathlib.Path(given["--file"])
    (store / "mode").write_text(oct(value.stat().st_mode)[-3:])
    if (store / "refuse").exists():
        sys.exit((store / "refuse").read_text().replace("VALUE", value.read_text()))
    (store / name).write_bytes(value.read_bytes())
    print(json.dumps({{"value": value.read_text()}}))
"""

TERMINAL = """
import os, pty, sys
pid, screen = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen = b""
while b"(not shown): " not in seen:
    seen += os.read(screen, 1024)
os.write(screen, sys.stdin.buffer.read() + b"\\n")
while True:
    try:
        more = os.read(screen, 1024)
    except OSError:
        break
    if not more:
        break
    seen += more
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
"""Runs a command in a terminal, types standard input once it asks, and prints what was on the screen."""


class Vault:
    """A folder that stands for the vault, and runs the script against it."""

    def __init__(self, folder: Path) -> None:
        self.kept, self.scratch, self._bin = folder / "kept", folder / "scratch", folder / "bin"
        for one in (self.kept, self.scratch, self._bin):
            one.mkdir()
        az = self._bin / "az"
        az.write_text(AZ.format(python=sys.executable, store=str(self.kept)))
        az.chmod(0o755)

    def run(self, *arguments: str, given: str = "", typed: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run the script, and check that it leaves no file behind.

        `given`: its standard input; `typed`: what somebody types at its prompt, in a terminal of its own.
        """
        sh = shutil.which("sh")
        assert sh
        command = [sh, str(INFRA / "scripts" / "secrets.sh"), *arguments]
        if typed is not None:
            command, given = [sys.executable, "-c", TERMINAL, *command], typed
        done = subprocess.run(  # noqa: S603 - our own script
            command, input=given, capture_output=True, text=True, check=False, timeout=PATIENCE,
            env={"PATH": f"{self._bin}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(self.scratch)},
        )  # fmt: skip
        assert list(self.scratch.iterdir()) == []
        return done

    def calls(self) -> list[list[Any]]:
        """The arguments of every call of az: what other users of the machine could see."""
        log = self.kept / "calls"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path)


def test_a_value_goes_to_the_vault_and_nowhere_else(vault: Vault) -> None:
    done = vault.run("--vault", "kv-1", "TEAMS_WEBHOOK_URL", given=f"{ADDRESS}\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "TEAMS_WEBHOOK_URL: set\n", "")
    assert (vault.kept / "teams-webhook-url").read_text() == ADDRESS
    assert (vault.kept / "mode").read_text() == "600"
    calls = vault.calls()
    assert [call[2] for call in calls] == ["show", "set"]
    assert all(call[:2] == ["keyvault", "secret"] for call in calls)
    assert "canary-7f3" not in json.dumps(calls)


def test_one_line_for_each_setting_and_the_last_may_lack_its_end(vault: Vault) -> None:
    done = vault.run("--vault", "kv-1", "FIRST_URL", "SECOND_SECRET", given="one\ntwo")
    assert done.returncode == 0
    assert [(vault.kept / name).read_text() for name in ("first-url", "second-secret")] == ["one", "two"]


def test_the_same_value_makes_no_new_version(vault: Vault) -> None:
    for _ in range(2):
        done = vault.run("--vault", "kv-1", "FIRST_URL", given="one\n")
    assert done.stdout == "FIRST_URL: unchanged\n"
    assert [call[2] for call in vault.calls()] == ["show", "set", "show"]


def test_a_prompt_shows_nothing_of_what_is_typed(vault: Vault) -> None:
    done = vault.run("--vault", "kv-1", "TEAMS_WEBHOOK_URL", typed=ADDRESS)
    assert done.returncode == 0
    assert done.stdout.replace("\r", "") == "TEAMS_WEBHOOK_URL (not shown): \nTEAMS_WEBHOOK_URL: set\n"
    assert (vault.kept / "teams-webhook-url").read_text() == ADDRESS


def test_only_what_is_missing_is_asked_for_and_may_be_left_out(vault: Vault) -> None:
    (vault.kept / "first-url").write_text("one")
    settings = ("--vault", "kv-1", "--missing", "FIRST_URL", "SECOND_URL")
    assert vault.run(*settings).stdout == "FIRST_URL: there\nSECOND_URL: missing\n"
    assert vault.run(*settings, typed="").stdout.replace("\r", "").endswith("\nSECOND_URL: missing\n")
    assert not (vault.kept / "second-url").exists()
    assert vault.run(*settings, typed="two").returncode == 0
    assert (vault.kept / "second-url").read_text() == "two"


def test_a_signing_key_is_made_up_where_wanted(vault: Vault) -> None:
    done = vault.run("--vault", "kv-1", "--generate", "AUDIT_SECRET")
    key = (vault.kept / "audit-secret").read_text()
    assert done.returncode == 0
    assert key not in done.stdout + done.stderr
    assert key_of(key)


@pytest.mark.parametrize(
    ("arguments", "given", "code", "says"),
    [
        ((), "", 2, "say which vault"),
        (("--vault", "kv-1"), "", 2, "say which settings"),
        (("--vault", "kv-1", "a b"), "x\n", 2, "not the name of an app setting"),
        (("--vault", "kv-1", "A_URL", "$(id)"), "x\ny\n", 2, "not the name of an app setting"),
        (("--nonsense",), "", 2, "unknown option"),
        (("--vault", "kv-1", "A_URL"), "", 1, "no line for A_URL"),
        (("--vault", "kv-1", "A_URL"), "\n", 1, "nothing was given"),
    ],
)
def test_mistakes_set_nothing(vault: Vault, arguments: tuple[str, ...], given: str, code: int, says: str) -> None:
    done = vault.run(*arguments, given=given)
    assert done.returncode == code
    assert says in done.stderr
    assert "set" not in {call[2] for call in vault.calls()}


def test_a_refusal_is_reported_and_stops(vault: Vault) -> None:
    (vault.kept / "refuse").write_text("(Forbidden) Caller is not authorized to perform action on resource.")
    done = vault.run("--vault", "kv-1", "A_URL", "B_URL", given="one\ntwo\n")
    assert done.returncode == 1
    assert done.stderr == (
        "secrets.sh: A_URL was not set: (Forbidden) Caller is not authorized to perform action on resource.\n"
    )
    assert not (vault.kept / "b-url").exists()


def test_a_refusal_that_repeats_the_value_is_not_shown(vault: Vault) -> None:
    (vault.kept / "refuse").write_text("bad value: VALUE")
    done = vault.run("--vault", "kv-1", "A_URL", given=f"{ADDRESS}\n")
    assert done.returncode == 1
    assert "canary-7f3" not in done.stdout + done.stderr
    assert "is not shown" in done.stderr


def test_help_is_help(vault: Vault) -> None:
    done = vault.run("--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: secrets.sh --vault NAME")


def test_nothing_is_asked_where_the_ruleset_has_no_secret(vault: Vault) -> None:
    done = vault.run("--vault", "kv-1", "--missing")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
