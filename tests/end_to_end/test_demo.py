"""The demo is a test too: it checks what it shows."""

import re
import subprocess
import sys

import pytest

from sandbox.stack import ROOT
from tests.patience import PATIENCE

LAST = re.compile(r"demo: OK judged=(\d+) tagged=(\d+) alerted=(\d+) reverted=(\d+) notices=(\d+) lost=0")


@pytest.mark.parametrize("mode", ["", pytest.param("audit", marks=pytest.mark.long)])
def test_the_demo_ends_well_in_both_modes(mode: str) -> None:
    """Audit mode in one process: tests/reconcile/test_audit.py, and test_roles.py for the app as a whole."""
    command = [sys.executable, "-m", "sandbox", "demo", *(["--mode", mode] if mode else [])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    found = LAST.fullmatch(done.stdout.splitlines()[-1])
    assert found, done.stdout.splitlines()[-1]
    judged, tagged, alerted, reverted, notices = map(int, found.groups())
    assert judged == 14
    assert notices >= alerted + tagged + reverted
    assert ((tagged, reverted) == (0, 0)) is (mode == "audit")
    for shown in ("partner-ingestion", "the Teams card of one", "the register", "the history of"):
        assert shown in done.stdout
    assert "Traceback" not in done.stderr
