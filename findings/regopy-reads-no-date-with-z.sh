#!/bin/sh
# regopy 1.5.2, Microsoft's engine for Rego, the language of Open Policy Agent: `time.parse_rfc3339_ns`.
#
# Expected: RFC 3339 knows Z and +00:00 for UTC. Both are read, as Open Policy Agent does. The documentation lists the
# functions that regopy does not have, and this is not one of them.
# Observed: a date with Z is undefined, without an error; one with an offset is read. So is what regopy's own
# `time.format` writes, since that ends in Z. `time.parse_ns` with the layout RFC3339 does the same.
# Why it matters: Azure writes `expiresOn` with Z. A rule with an undefined value does not apply, so a report of ended
# exemptions lists none. Tests with +00:00 pass.
#
# Observed output:
#
#   regopy 1.5.2
#   2020-01-01T00:00:00Z: undefined; ended: no
#   2020-01-01T00:00:00.0000000Z: undefined; ended: no
#   2020-01-01T00:00:00+00:00: 1577836800000000000; ended: yes
#   2020-01-01T02:00:00+02:00: 1577836800000000000; ended: yes
#   time.format(1577836800000000000): "2020-01-01T00:00:00.000000000Z"
#   time.parse_rfc3339_ns(time.format(1577836800000000000)): undefined
#   time.parse_ns("RFC3339", "2020-01-01T00:00:00Z"): undefined
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

POLICY = """package lab

ended if time.parse_rfc3339_ns(input.expiresOn) < time.now_ns()
"""
NS = "1577836800000000000"
WANTED = {
    "2020-01-01T00:00:00Z": "undefined; ended: no",
    "2020-01-01T00:00:00.0000000Z": "undefined; ended: no",
    "2020-01-01T00:00:00+00:00": f"{NS}; ended: yes",
    "2020-01-01T02:00:00+02:00": f"{NS}; ended: yes",
    f"time.format({NS})": '"2020-01-01T00:00:00.000000000Z"',
    f"time.parse_rfc3339_ns(time.format({NS}))": "undefined",
    'time.parse_ns("RFC3339", "2020-01-01T00:00:00Z")': "undefined",
}


def value(engine, query):
    answer = str(engine.query(query))
    return answer if answer == "undefined" else json.dumps(json.loads(answer)["expressions"][0])


def read(date):
    engine = Interpreter()
    engine.add_module("lab", POLICY)
    engine.set_input({"expiresOn": date})
    ended = value(engine, "data.lab.ended") == "true"
    return f"{value(Interpreter(), f'time.parse_rfc3339_ns({json.dumps(date)})')}; ended: {'yes' if ended else 'no'}"


print(f"regopy {version('regopy')}")
seen = {name: read(name) if name.startswith("2") else value(Interpreter(), name) for name in WANTED}
for name, outcome in seen.items():
    print(f"{name}: {outcome}")
sys.exit(seen != WANTED)
PY
