#!/bin/sh
# regopy 1.5.2, Microsoft's engine for Rego, the language of Open Policy Agent: `time.diff`, which gives the time
# between two instants as years, months, days, hours, minutes and seconds.
#
# Expected: the months of the calendar, as Open Policy Agent counts them: from 1 July to 1 August is one month.
# Observed: years of 365.2425 days, of which it then takes off 365 each, and months of a twelfth of that, so most spans
# have hours, minutes and seconds that are not there. A whole year has no year, and a month of 30 days no month.
# Why it matters: the rule "an exemption lasts less than a year" lets a whole year pass, and a message states a wrong
# time until the end. What it gives for two days of one month is right, which is what a first test tries.
#
# Observed output, with what Open Policy Agent gives:
#
#   regopy 1.5.2
#   2027-06-01 to 2027-06-15: [0, 0, 14, 0, 0, 0]; Open Policy Agent [0, 0, 14, 0, 0, 0]
#   2027-06-01 to 2027-07-01: [0, 0, 30, 0, 0, 0]; Open Policy Agent [0, 1, 0, 0, 0, 0]
#   2027-07-01 to 2027-08-01: [0, 1, 0, 13, 30, 54]; Open Policy Agent [0, 1, 0, 0, 0, 0]
#   2027-01-01 to 2028-01-01: [0, 11, 30, 4, 39, 54]; Open Policy Agent [1, 0, 0, 0, 0, 0]
#   2027-01-01 to 2029-01-01: [2, 0, 1, 0, 0, 0]; Open Policy Agent [2, 0, 0, 0, 0, 0]
#   an exemption from 2027-01-01 to 2028-01-01 lasts less than a year: true
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
    ("2027-06-01", "2027-06-15"): [0, 0, 14, 0, 0, 0],
    ("2027-06-01", "2027-07-01"): [0, 1, 0, 0, 0, 0],
    ("2027-07-01", "2027-08-01"): [0, 1, 0, 0, 0, 0],
    ("2027-01-01", "2028-01-01"): [1, 0, 0, 0, 0, 0],
    ("2027-01-01", "2029-01-01"): [2, 0, 0, 0, 0, 0],
}
WANTED = {
    ("2027-06-01", "2027-06-15"): [0, 0, 14, 0, 0, 0],
    ("2027-06-01", "2027-07-01"): [0, 0, 30, 0, 0, 0],
    ("2027-07-01", "2027-08-01"): [0, 1, 0, 13, 30, 54],
    ("2027-01-01", "2028-01-01"): [0, 11, 30, 4, 39, 54],
    ("2027-01-01", "2029-01-01"): [2, 0, 1, 0, 0, 0],
}


def value(query):
    return json.loads(str(Interpreter().query(query)))["expressions"][0]


def diff(start, end):
    start, end = (f'time.parse_rfc3339_ns("{date}T00:00:00+00:00")' for date in (start, end))
    return f"time.diff({end}, {start})"


print(f"regopy {version('regopy')}")
seen = {span: value(diff(*span)) for span in WANTED}
for (start, end), parts in seen.items():
    print(f"{start} to {end}: {parts}; Open Policy Agent {OPA[start, end]}")
short = value(f"{diff('2027-01-01', '2028-01-01')}[0] < 1")
print(f"an exemption from 2027-01-01 to 2028-01-01 lasts less than a year: {json.dumps(short)}")
sys.exit(not (seen == WANTED and short is True))
PY
