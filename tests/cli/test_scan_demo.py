"""The scan's demo is a test too: it checks what it shows."""

import re
import subprocess
import sys
from pathlib import Path

from sandbox.stack import ROOT
from tests.patience import PATIENCE

LAST = re.compile(
    r"^scan-demo: OK exemptions=200 bypasses=(\d+) violation=(\d+) unknown=(\d+) pass=(\d+) excluded=(\d+) "
    r"requests=\d+ seconds=[\d.]+$",
    re.MULTILINE,
)


def test_the_demo_ends_well_and_writes_the_page() -> None:
    command = [sys.executable, "-m", "sandbox.scan_demo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    found = LAST.search(done.stdout)
    assert found, done.stdout[-500:]
    bypasses, *verdicts = map(int, found.groups())
    assert bypasses > 15
    assert sum(verdicts) == 200 + bypasses
    page = Path(ROOT / "build" / "scan.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "Traceback" not in done.stderr
