"""tools/setup.sh: everything stays inside the folder, a line says what goes on, and a second run says nothing.

Python is there already in these tests, and Node.js and npm are stand-ins that note what they are asked for.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE

ROOT = Path(__file__).parents[1]
NPM = """#!/bin/sh
[ "$1" = --version ] && exit
echo "npm $* cache=$npm_config_cache notifier=$npm_config_update_notifier pip=$PIP_CACHE_DIR uv=$UV_CACHE_DIR" >>"$LOG"
[ -e "$LOG.broken" ] && { echo "npm error: no network" >&2; exit 7; }
echo "added 2 packages"
while [ -e "$LOG.wait" ]; do sleep 0.1; done
mkdir -p "$2/node_modules"
"""


class Folder:
    """A copy of what set-up reads, and stand-ins for the programs that it calls."""

    def __init__(self, path: Path) -> None:
        self.path, self.home, self.log = path / "project", path / "home", path / "calls"
        for name in ("tools/setup.sh", "constraints.txt", *(one.name for one in ROOT.glob("requirements*.txt"))):
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.path / name)
        for name in ("sandbox/node", "tests/kql", "tools/pictures"):
            (self.path / name).mkdir(parents=True, exist_ok=True)
            for file in ("package.json", "package-lock.json"):
                (self.path / name / file).write_text("{}")
        (self.path / ".venv/bin").mkdir(parents=True)
        (self.path / ".venv/bin/python").symlink_to(sys.executable)
        texts = [(self.path / name).read_bytes() for name in self._requirements]
        sums = subprocess.run(["/usr/bin/env", "cksum"], input=b"".join(texts), capture_output=True, check=True)
        (self.path / ".venv/.stamp").write_bytes(sums.stdout)
        self.home.mkdir(mode=0o500)
        (path / "bin").mkdir()
        for name, text in (("npm", NPM), ("node", "#!/bin/sh\nexit 0\n")):
            (path / "bin" / name).write_text(text)
            (path / "bin" / name).chmod(0o755)
        self.environment = {
            "PATH": f"{path / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "LOG": str(self.log),
        }

    _requirements = ("requirements.txt", "requirements-cli.txt", "requirements-dev.txt", "constraints.txt")

    def run(self, *argv: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own script
            [str(self.path / "tools/setup.sh"), *argv], env={**self.environment, **more},
            capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_each_step_has_one_line_and_a_second_run_says_and_does_nothing(folder: Folder) -> None:
    ran = folder.run()
    assert (ran.returncode, ran.stdout) == (0, "")
    steps = ("Azurite", "the parser of queries", "the renderer of cards, and axe-core")
    assert ran.stderr.splitlines() == [f"set-up: {step} (npm) ..." for step in steps]
    assert len(folder.calls()) == 3
    again = folder.run()
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert len(folder.calls()) == 3


def test_what_pip_npm_and_uv_cache_stays_inside(folder: Folder) -> None:
    assert folder.run().returncode == 0
    for call in folder.calls():
        cached = dict(word.split("=", 1) for word in call.split() if "=" in word and not word.startswith("--"))
        assert cached.pop("notifier") == "false"
        for name, place in cached.items():
            assert Path(place).is_relative_to(folder.path / ".tools"), (name, place)
    assert list(folder.home.iterdir()) == []


def test_the_renderer_of_cards_is_set_up_for_pictures_alone(folder: Folder) -> None:
    assert folder.run("pictures").stderr.splitlines() == ["set-up: the renderer of cards, and axe-core (npm) ..."]


def test_what_fails_says_what_to_do_and_is_done_again(folder: Folder) -> None:
    broken = folder.log.with_name("calls.broken")
    broken.touch()
    ran = folder.run()
    assert ran.returncode != 0
    assert ran.stderr.splitlines()[:2] == ["set-up: Azurite (npm) ...", "npm error: no network"]
    assert ran.stderr.endswith("run make again.\n")
    broken.unlink()
    assert folder.run().returncode == 0
    assert len(folder.calls()) == 4


def test_a_terminal_sees_the_seconds_pass(folder: Folder) -> None:
    assert folder.run().returncode == 0
    (folder.path / "sandbox/node/node_modules/.stamp").unlink()  # of that alone the seconds are seen
    waits = folder.log.with_name("calls.wait")
    waits.touch()
    command = [sys.executable, "-c", "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"]
    with subprocess.Popen(  # noqa: S603 - our own script
        [*command, str(folder.path / "tools/setup.sh")],
        env=folder.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    ) as ran:  # fmt: skip
        assert ran.stdout
        shown = b""
        while b" 1 s" not in shown:
            more = os.read(ran.stdout.fileno(), 4096)
            assert more, shown
            shown += more
        waits.unlink()
        shown += ran.stdout.read()
    assert ran.returncode == 0
    line = rb"set-up: Azurite \(npm\) \.\.\."
    assert re.search(line + rb"\r" + line + rb" 1 s(\r" + line + rb" \d+ s)*\n", shown.replace(b"\r\n", b"\n"))


def test_no_registrys_address_is_committed() -> None:
    text = (ROOT / "tools/setup.sh").read_text()
    assert "://" not in text
    assert not re.search(r"--(?:registry|index|find-links)", text)
