#!/bin/sh
# azure-cli 2.91.0: `az policy exemption create --expires-on DATE`, whose help asks for UTC ISO 8601.
#
# Expected: a date without a zone is UTC or is refused, and so is what is no ISO date.
# Observed: a date without a zone is local time of the machine, so the same pipeline ends the same exemption at another
# hour on each runner. The name of a zone is dropped, with a warning of Python's, and local time used. 06/07/2027 is in
# June, and so is 30/06/2027. A month ends it on the day of that month that today is. The exit code is 0 each time.
# Why it matters: an exemption ends hours, or weeks, away from its approved end, and nobody sees it in the command.
#
# Runs the command with a made-up login, and answers each request from here; nothing is sent. Observed output:
#
#   azure-cli 2.91.0
#   2027-06-30 on a machine of TZ=UTC0: 2027-06-30T00:00:00.000Z
#   2027-06-30 on a machine of TZ=EST5: 2027-06-30T05:00:00.000Z
#   2027-06-30 on a machine of TZ=JST-9: 2027-06-29T15:00:00.000Z
#   2027-06-30T22:00:00 CET on a machine of TZ=UTC0: 2027-06-30T22:00:00.000Z
#   06/07/2027 on a machine of TZ=UTC0: 2027-06-07T00:00:00.000Z
#   30/06/2027 on a machine of TZ=UTC0: 2027-06-30T00:00:00.000Z
#   June 2027 on a machine of TZ=UTC0: 2027-06-(day of today)T00:00:00.000Z
#
# Needs Python 3.10 or newer with venv (PYTHON=python3.13 names another), or the Python of an azure-cli that is there
# (AZURE_CLI_PYTHON). Exit code 0: as observed; 1: it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${AZURE_CLI_PYTHON:-}" ]; then
    "${PYTHON:-python3}" -m venv "$folder/venv"
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check azure-cli==2.91.0 python-dateutil==4.0.0
fi
AZURE_CONFIG_DIR="$folder/config" AZURE_CORE_COLLECT_TELEMETRY=false \
    "${AZURE_CLI_PYTHON:-$folder/venv/bin/python}" - <<'PY'
import datetime, json, os, sys, time, warnings
from importlib.metadata import version
from types import SimpleNamespace
from unittest.mock import patch

import requests
from azure.cli.core import get_default_cli
from azure.cli.core._profile import Profile

SCOPE = "/subscriptions/aaaaaaaa-0000-4000-8000-000000000000"
CREATE = f"policy exemption create --name lab --scope {SCOPE} --exemption-category Waiver --output none".split()
CREATE += ["--policy-assignment", f"{SCOPE}/providers/Microsoft.Authorization/policyAssignments/baseline"]
WANTED = {
    ("2027-06-30", "UTC0"): "2027-06-30T00:00:00.000Z",
    ("2027-06-30", "EST5"): "2027-06-30T05:00:00.000Z",
    ("2027-06-30", "JST-9"): "2027-06-29T15:00:00.000Z",
    ("2027-06-30T22:00:00 CET", "UTC0"): "2027-06-30T22:00:00.000Z",
    ("06/07/2027", "UTC0"): "2027-06-07T00:00:00.000Z",
    ("30/06/2027", "UTC0"): "2027-06-30T00:00:00.000Z",
    ("June 2027", "UTC0"): "2027-06-(day of today)T00:00:00.000Z",
}
put = []
warnings.simplefilter("ignore")


def answer(self, method, url, data=None, **_):
    put.extend([json.loads(data)["properties"]["expiresOn"]] if method == "PUT" else [])
    response = requests.Response()
    response.status_code, response._content, response.raw = 201, b"{}", SimpleNamespace(version=11)
    response.headers["Content-Type"] = "application/json"
    return response


credential = SimpleNamespace(acquire_token=lambda *_, **__: {"access_token": "none", "expires_in": 3600})
credential.get_token = lambda *_, **__: SimpleNamespace(token="none", expires_on=1 << 32, refresh_on=None)
credential.get_token_info = credential.get_token
print(f"azure-cli {version('azure-cli')}")
seen = {}
with (
    patch.object(Profile, "get_login_credentials", lambda *_, **__: (credential, SCOPE[15:], "tenant")),
    patch.object(Profile, "get_subscription_id", lambda *_: SCOPE[15:]),
    patch.object(requests.Session, "request", answer),
):
    for date, zone in WANTED:
        os.environ["TZ"] = zone
        time.tzset()
        code = get_default_cli().invoke([*CREATE, "--expires-on", date])
        seen[date, zone] = put.pop() if code == 0 else f"exit code {code}"
        if date == "June 2027":
            day = min(datetime.date.today().day, 30)
            seen[date, zone] = seen[date, zone].replace(f"-{day:02}T", "-(day of today)T")
        print(f"{date} on a machine of TZ={zone}: {seen[date, zone]}")
sys.exit(seen != WANTED)
PY
