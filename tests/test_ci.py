""".ci/run: what is missing is installed once and without a word of apt's, or one line says what to do; then all tests.

apt-get, sudo, id and make are stand-ins that note what they are asked for.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests import needs

ROOT = Path(__file__).parents[1]
PROGRAMS = ("chromium", "fish", "zsh")
STAND_INS = {
    "apt-get": """
echo "apt-get $*" >>"$LOG"
echo "Reading package lists..."
[ "$UID_NOW" = 0 ] || [ "$SUDO" ] || { echo "E: are you root?"; exit 100; }
case "$*" in *" install "*) for name in $INSTALLS; do cp "$BIN/make" "$BIN/$name"; done ;; esac
[ "$INSTALLS" ] || { echo "W: first" >&2; echo "E: Unable to locate package" >&2; exit 100; }
""",
    "sudo": 'echo "sudo $*" >>"$LOG"\nshift\nSUDO=yes exec "$@"\n',
    "id": 'echo "$UID_NOW"\n',
    "make": 'echo "make $* CI=$CI" >>"$LOG"\n',
}


class Machine:
    """A clone with nothing but .ci/run, and the programs of a machine."""

    def __init__(self, path: Path, *, lacks: tuple[str, ...] = (), without: str = "", user: int = 0) -> None:
        self.bin, self.log, self.script = path / "bin", path / "log", path / "project" / ".ci" / "run"
        self.script.parent.mkdir(parents=True)
        shutil.copy(ROOT / ".ci" / "run", self.script)
        self.bin.mkdir()
        for name in ("dirname", "env", "tail", "cp", "sh"):
            (self.bin / name).symlink_to(shutil.which(name) or "")
        stand_ins = {**STAND_INS, **dict.fromkeys({*PROGRAMS} - {*lacks}, "")}
        for name, text in stand_ins.items():
            if name != without:
                (self.bin / name).write_text(f"#!{shutil.which('sh')}\n{text}", encoding="utf-8")
                (self.bin / name).chmod(0o755)
        self.environment = {
            "PATH": str(self.bin), "BIN": str(self.bin), "LOG": str(self.log), "SUDO": "", "UID_NOW": str(user),
            "INSTALLS": " ".join(lacks),
        }  # fmt: skip

    def run(self, **more: str) -> tuple[int, str, list[str]]:
        """Return the exit code, what was printed, and what was asked of the stand-ins."""
        done = subprocess.run(  # noqa: S603 - our own script
            [str(self.script)],
            env={**self.environment, **more},
            cwd=self.bin,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr, self.log.read_text(encoding="utf-8").splitlines()


UPDATE = "apt-get -qq update"
INSTALL = "apt-get -qq -y --no-install-recommends install"
TESTS = "make test CI=true"


def test_where_nothing_is_missing_it_only_runs_the_tests(tmp_path: Path) -> None:
    assert Machine(tmp_path).run() == (0, "", [TESTS])


def test_the_name_of_a_ci_stays(tmp_path: Path) -> None:
    assert Machine(tmp_path).run(CI="of ours")[2] == ["make test CI=of ours"]


@pytest.mark.parametrize("lacks", [PROGRAMS, ("zsh",)])
def test_what_is_missing_is_installed_at_once_and_in_one_line(tmp_path: Path, lacks: tuple[str, ...]) -> None:
    machine, names = Machine(tmp_path, lacks=lacks), " ".join(lacks)
    assert machine.run() == (0, f"ci: installed {names}\n", [UPDATE, f"{INSTALL} {names}", TESTS])
    machine.log.unlink()
    assert machine.run() == (0, "", [TESTS])


def test_who_is_not_root_asks_sudo_without_a_password(tmp_path: Path) -> None:
    code, said, asked = Machine(tmp_path, lacks=("fish",), user=1000).run()
    assert (code, said) == (0, "ci: installed fish\n")
    assert [line for line in asked if line.startswith("sudo")] == [
        f"sudo -n {UPDATE}",
        f"sudo -n env DEBIAN_FRONTEND=noninteractive {INSTALL} fish",
    ]
    assert asked[-1] == TESTS


@pytest.mark.parametrize(
    ("without", "user", "installs", "why"),
    [
        ("sudo", 1000, "chromium", "sudo: "),
        ("apt-get", 0, "chromium", "No such file or directory"),
        ("", 0, "", "E: Unable to locate package"),
    ],
    ids=["no sudo", "no apt-get", "no such package"],
)
def test_what_cannot_be_installed_is_one_line_that_says_what_to_do(
    tmp_path: Path, without: str, user: int, installs: str, why: str
) -> None:
    machine = Machine(tmp_path, lacks=("chromium",), without=without, user=user)
    machine.log.touch()
    code, said, asked = machine.run(INSTALLS=installs)
    assert (code, said.count("\n")) == (1, 1)
    assert said.startswith("ci: cannot install chromium: run 'apt-get install chromium' as root, then .ci/run again (")
    assert why in said
    assert TESTS not in asked


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_a_test_that_lacks_a_program_is_skipped_but_in_ci_it_fails(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[Exception]
) -> None:
    for name, value in {"CI": ci, "PATH": "", "CHROMIUM": ""}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(outcome, match="this machine has no zsh"):
        needs.program("zsh")
    with pytest.raises(outcome, match="this machine has no Chromium"):
        needs.chromium()
