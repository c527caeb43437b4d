#!/bin/sh
# regopy 1.5.2, Microsoft's engine for Rego, the language of Open Policy Agent: `semver.compare`.
#
# Expected: 1 for 1.10.0 and 1.9.0, as Semantic Versioning and Open Policy Agent say. The first number that differs
# decides, and a version with a pre-release comes before the one without.
# Observed: -1, since any smaller number on the left makes the version smaller, whatever precedes it. Two versions
# can each be smaller than the other. A preview comes after its release, and rc.10 before rc.9.
# Why it matters: policy definitions have such versions, often with -preview. The rule that an exemption is only for a
# definition from some version on refuses newer ones, and takes a preview for a release.
#
# Observed output, with what Open Policy Agent gives:
#
#   regopy 1.5.2
#   1.9.0 and 1.10.0: -1; Open Policy Agent -1
#   1.10.0 and 1.9.0: -1; Open Policy Agent 1
#   2.0.0 and 1.9.9: -1; Open Policy Agent 1
#   1.9.9 and 2.0.0: -1; Open Policy Agent -1
#   1.2.1 and 1.1.0: 1; Open Policy Agent 1
#   1.0.0-preview and 1.0.0: 1; Open Policy Agent -1
#   1.0.0-rc.10 and 1.0.0-rc.9: -1; Open Policy Agent 1
#
# Needs Python 3.10 or newer with venv (PYTHON=python3.13 names another). Exit code 0: as observed; 1: it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check regopy==1.5.2
"$folder/venv/bin/python" - <<'PY'
import json, sys
from importlib.metadata import version

from regopy import Interpreter

OPA = {
    ("1.9.0", "1.10.0"): -1,
    ("1.10.0", "1.9.0"): 1,
    ("2.0.0", "1.9.9"): 1,
    ("1.9.9", "2.0.0"): -1,
    ("1.2.1", "1.1.0"): 1,
    ("1.0.0-preview", "1.0.0"): -1,
    ("1.0.0-rc.10", "1.0.0-rc.9"): 1,
}
WANTED = {
    ("1.9.0", "1.10.0"): -1,
    ("1.10.0", "1.9.0"): -1,
    ("2.0.0", "1.9.9"): -1,
    ("1.9.9", "2.0.0"): -1,
    ("1.2.1", "1.1.0"): 1,
    ("1.0.0-preview", "1.0.0"): 1,
    ("1.0.0-rc.10", "1.0.0-rc.9"): -1,
}


def compare(one, other):
    return json.loads(str(Interpreter().query(f'semver.compare("{one}", "{other}")')))["expressions"][0]


print(f"regopy {version('regopy')}")
seen = {pair: compare(*pair) for pair in WANTED}
for (one, other), result in seen.items():
    print(f"{one} and {other}: {result}; Open Policy Agent {OPA[one, other]}")
sys.exit(seen != WANTED)
PY
