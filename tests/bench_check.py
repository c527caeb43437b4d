"""The figures of `check`, side by side with what it is measured against, in turns, so that both share the noise.

`tests/bench_read.py` has the programs that only read the files.

python -m tests.bench_check
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from sandbox.stack import ROOT
from tests import bench_epac

BUILD: Final = ROOT / "build" / "bench-check"
FILES: Final = 1_000
EXEMPTIONS: Final = 10_000
AGAINST: Final = 200
"""Files that checkov and check both look at."""
RUNS: Final = 5
CHECKOV: Final = os.environ.get("CHECKOV", str(ROOT / ".tools" / "checkov" / "bin" / "checkov"))
"""Where checkov is, in an environment of its own: `python -m venv .tools/checkov; .tools/checkov/bin/pip install
checkov`."""

_GROUP: Final = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg"
_CORP: Final = "/providers/Microsoft.Management/managementGroups/corp/providers/Microsoft.Authorization"


def bicep(number: int, count: int) -> str:
    """Return a Bicep file with so many exemptions, as people write them: parameters, variables, interpolation."""
    head = (
        f"param team string = 'team-{number}'\nparam ends string = '2027-03-31T00:00:00Z'\n"
        f"var assignment = '{_CORP}/policyAssignments/baseline-${{team}}'\n"
    )
    body = "".join(
        f"""
resource w{n} 'Microsoft.Authorization/policyExemptions@2022-07-01-preview' = {{
  name: '${{team}}-{n}'
  properties: {{
    policyAssignmentId: '${{assignment}}-{n}'
    policyDefinitionReferenceIds: [ 'ref{n % 20}' ]
    exemptionCategory: 'Waiver'
    displayName: 'Exemption {n} of ${{team}}'
    description: 'The uploader of a partner cannot use private endpoints until its next release.'
    expiresOn: ends
    metadata: {{
      owner: '${{team}}@contoso.com'
      approvalTicket: 'SEC-{number}{n}'
      approver: 'ciso@contoso.com'
      reviewDate: '2027-02-01'
    }}
  }}
}}
"""
        for n in range(count)
    )
    return head + body


def arm(number: int, count: int) -> str:
    """Return an ARM template that says the same."""
    resources = [
        {
            "type": "Microsoft.Authorization/policyExemptions",
            "apiVersion": "2022-07-01-preview",
            "name": f"[format('{{0}}-{n}', parameters('team'))]",
            "properties": {
                "policyAssignmentId": f"[concat(variables('assignment'), '-{n}')]",
                "policyDefinitionReferenceIds": [f"ref{n % 20}"],
                "exemptionCategory": "Waiver",
                "displayName": f"[concat('Exemption {n} of ', parameters('team'))]",
                "description": "The uploader of a partner cannot use private endpoints until its next release.",
                "expiresOn": "[parameters('ends')]",
                "metadata": {
                    "owner": "[concat(parameters('team'), '@contoso.com')]",
                    "approvalTicket": f"SEC-{number}{n}",
                    "approver": "ciso@contoso.com",
                    "reviewDate": "2027-02-01",
                },
            },
        }
        for n in range(count)
    ]
    template = {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {
            "team": {"type": "string", "defaultValue": f"team-{number}"},
            "ends": {"type": "string", "defaultValue": "2027-03-31T00:00:00Z"},
        },
        "variables": {"assignment": f"[concat('{_CORP}/policyAssignments/baseline-', parameters('team'))]"},
        "resources": resources,
    }
    return json.dumps(template, indent=2)


def furnish(folder: Path, files: int, exemptions: int) -> None:
    """Write so many files, half Bicep and half ARM, ten of them a folder."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / ".git").mkdir(parents=True)  # a root of its own: build/ is in the .gitignore of ours
    for number in range(files):
        place = folder / f"unit-{number // 10}"
        place.mkdir(parents=True, exist_ok=True)
        made = bicep if number % 2 else arm
        name = f"waivers-{number}.{'bicep' if number % 2 else 'json'}"
        (place / name).write_text(made(number, exemptions // files), encoding="utf-8")


def against_parsing() -> Iterator[tuple[str, float, str]]:
    """Compare with the parsers alone: 10,000 exemptions in 1,000 files."""
    folder = BUILD / "many"
    furnish(folder, FILES, EXEMPTIONS)
    ours, theirs = _in_turns([str(folder), "--deploy-to", _GROUP], ["parse", str(folder)])
    yield "check_parse_seconds", theirs.seconds, "s"
    yield "check_seconds", ours.seconds, "s"
    yield "check_vs_parse", ours.seconds / theirs.seconds, "times"
    yield "check_mib", ours.mib, "MiB"


def against_reading() -> Iterator[tuple[str, float, str]]:
    """Compare with reading the files of EPAC: 10,000 entries in 100 files, with a tree of 2,000 scopes."""
    folder = BUILD / "epac"
    ours, theirs = _in_turns(bench_epac.furnish(folder), ["epac", str(folder)])
    yield "check_epac_read_seconds", theirs.seconds, "s"
    yield "check_epac_seconds", ours.seconds, "s"
    yield "check_epac_vs_read", ours.seconds / theirs.seconds, "times"
    yield "check_epac_mib", ours.mib, "MiB"


class _Taken(NamedTuple):
    """The median of some runs, and the most memory that any took."""

    seconds: float
    mib: float


def _in_turns(check: Sequence[str], read: Sequence[str]) -> tuple[_Taken, _Taken]:
    """Run `check`, and the program that only reads, in turns; return what each took. They get these arguments."""
    commands = (
        [sys.executable, "-m", "guardrails", "check", *check],
        [sys.executable, str(ROOT / "tests" / "bench_read.py"), *read],
    )
    runs: tuple[list[tuple[float, float]], list[tuple[float, float]]] = ([], [])
    for _ in range(RUNS):
        for done, command in zip(runs, commands, strict=True):
            done.append(_measured(command))
    ours, theirs = (_Taken(statistics.median(one for one, _ in done), max(mib for _, mib in done)) for done in runs)
    return ours, theirs


def starting() -> Iterator[tuple[str, float, str]]:
    """Compare one small file with `python -c pass`."""
    folder = BUILD / "one"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / ".git").mkdir(parents=True)
    file = folder / "main.bicep"
    file.write_text(bicep(1, 1), encoding="utf-8")
    commands: dict[str, Sequence[str]] = {"pass": ("-c", "pass"), "check": ("-m", "guardrails", "check", str(file))}
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(24):
        for name, words in commands.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, *words], cwd=ROOT, env=_compiled(), capture_output=True, check=False)  # noqa: S603
            seconds[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(runs[2:]) for name, runs in seconds.items()}  # the first ones compile
    yield "check_start_seconds", medians["check"], "s"
    yield "check_start", medians["check"] / medians["pass"], "times"


def against_checkov() -> Iterator[tuple[str, float, str]]:
    """Compare with checkov, another program that reads Bicep and ARM, on the same 200 files."""
    if not Path(CHECKOV).is_file():
        print(f"bench: check_vs_checkov is skipped: there is no {CHECKOV} (or set CHECKOV)", flush=True)
        return
    folder = BUILD / "against"
    furnish(folder, AGAINST, AGAINST * 10)
    ours = [sys.executable, "-m", "guardrails", "check", str(folder), "--format", "json"]
    theirs = [
        CHECKOV,
        "--directory",
        str(folder),
        "--framework",
        "arm",
        "bicep",
        "--quiet",
        "--compact",
        "--output",
        "json",
    ]
    taken = {"check": [_measured(ours) for _ in range(3)], "checkov": [_measured(theirs) for _ in range(2)]}
    seconds = {name: statistics.median(one for one, _ in runs) for name, runs in taken.items()}
    mib = {name: max(one for _, one in runs) for name, runs in taken.items()}
    yield "checkov_seconds", seconds["checkov"], "s"
    yield "checkov_mib", mib["checkov"], "MiB"
    yield "check_vs_checkov", seconds["check"] / seconds["checkov"], "times"
    yield "check_vs_checkov_memory", mib["check"] / mib["checkov"], "times"


def _measured(command: Sequence[str]) -> tuple[float, float]:
    """Run a command; return its seconds, and the most memory of it and its children together, MiB (sampled)."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=_compiled(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    most = 0
    while process.poll() is None:
        most = max(most, sum(_resident(one) for one in _family(process.pid)))
        time.sleep(0.01)
    return time.perf_counter() - started, most / 1024


def _family(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue
        for child in children:
            yield from _family(int(child))


def _resident(pid: int) -> int:
    """Return the memory of a process, KiB; what it shares with others is shared out among them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _compiled() -> dict[str, str]:
    """Return an environment in which Python keeps compiled files, below build/."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(ROOT / "build" / "pycache")}


def figures() -> Iterator[tuple[str, float, str]]:
    """Yield all of them."""
    yield from against_parsing()
    yield from against_reading()
    yield from starting()
    yield from against_checkov()


if __name__ == "__main__":
    for figure, value, unit in figures():
        print(f"bench {figure} {value:.3f} {unit}", flush=True)
