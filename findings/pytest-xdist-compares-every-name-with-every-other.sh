#!/bin/sh
# pytest-xdist 3.8.0: what handing out tests by file costs the process that does it (`--dist loadscope`, `loadfile`).
#
# Expected: twice as many tests take twice the work.
# Observed: four times. xdist sends tests by number, and finds the number of each by its place in the list of all names:
# the last of 8,000 is compared with 8,000. It does so once for each test.
# Why it matters: with 14,000 tests these are 100 million comparisons, some seconds of CPU in the one process that all
# others wait for.
#
# Observed output:
#
#   2000 tests: 1,999,000 comparisons that found nothing
#   4000 tests: 7,998,000 comparisons that found nothing
#   8000 tests: 31,996,000 comparisons that found nothing
#
# Needs Python 3.13. Exit code 0: as observed; 1: it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.13 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check pytest-xdist==3.8.0 pytest==9.2.0
cat >"$folder/look.py" <<'PY'
import sys
from types import SimpleNamespace

from xdist.scheduler.loadscope import LoadScopeScheduling


class Name(str):
    """The name of a test; counts with how many other names it was compared."""

    others = 0
    __hash__ = str.__hash__

    def __eq__(self, other):
        same = str.__eq__(self, other)
        Name.others += not same
        return same


class Process:
    """One that runs tests: it gets their numbers."""

    def __init__(self):
        self.given, self.shutting_down, self.gateway = [], False, SimpleNamespace(id="gw0")

    def send_runtest_some(self, numbers):
        self.given += numbers

    def shutdown(self):
        self.shutting_down = True


said = []
for count in (2000, 4000, 8000):
    names = [Name(f"test_{n // 20}.py::test_{n}") for n in range(count)]
    config = SimpleNamespace(getvalue=lambda _: ["popen"], option=SimpleNamespace(loadscopereorder=False))
    plan, process = LoadScopeScheduling(config, SimpleNamespace(loadscopesched=lambda *_: None)), Process()
    plan.add_node(process)
    plan.add_node_collection(process, names)
    Name.others = 0
    plan.schedule()
    done = 0
    while done < len(process.given):
        plan.mark_test_complete(process, process.given[done])
        done += 1
    assert sorted(process.given) == list(range(count))
    said.append(f"{count} tests: {Name.others:,} comparisons that found nothing")
print(*said, sep="\n")
wanted = [f"{count} tests: {count * (count - 1) // 2:,} comparisons that found nothing" for count in (2000, 4000, 8000)]
sys.exit(0 if said == wanted else 1)
PY
"$folder/env/bin/python" "$folder/look.py"
