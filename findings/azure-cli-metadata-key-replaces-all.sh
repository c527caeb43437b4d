#!/bin/sh
# azure-cli 2.91.0: `az policy exemption update --metadata KEY=VALUE` looks as if it set one key. It takes the pair for
# the whole object: the owner, the approver and the review date that were there are gone, with exit code 0. With the shorthand
# syntax of other commands (`KEY='VALUE'`) the single quotes become part of the value besides.
# `--set metadata.KEY=VALUE` is refused. Only the whole object keeps the other keys.
#
# Runs the commands with a made-up login, and answers each request from here; nothing is sent. Observed output:
#
#   azure-cli 2.91.0
#   there: {"approver": "ciso@example.com", "owner": "team@example.com"}
#   --metadata ticket=CHG1
#     PUT {"ticket": "CHG1"}
#   --metadata ticket='CHG1'
#     PUT {"ticket": "'CHG1'"}
#   --set metadata.ticket=CHG1
#     refused
#   --metadata {"approver": "ciso@example.com", "owner": "team@example.com", "ticket": "CHG1"}
#     PUT {"approver": "ciso@example.com", "owner": "team@example.com", "ticket": "CHG1"}
#
# Needs Python 3.10 or newer with venv (PYTHON=python3.13 names another), or the Python of an azure-cli that is there
# (AZURE_CLI_PYTHON). Exit code 0: as observed; 1: it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${AZURE_CLI_PYTHON:-}" ]; then
    "${PYTHON:-python3}" -m venv "$folder/venv"
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check azure-cli==2.91.0
fi
AZURE_CONFIG_DIR="$folder/config" AZURE_CORE_COLLECT_TELEMETRY=false \
    "${AZURE_CLI_PYTHON:-$folder/venv/bin/python}" - <<'PY'
import contextlib
import io
import json
import sys
from importlib.metadata import version
from types import SimpleNamespace
from unittest.mock import patch

import requests
from azure.cli.core import get_default_cli
from azure.cli.core._profile import Profile

SUBSCRIPTION = "aaaaaaaa-0000-4000-8000-000000000000"
SCOPE = f"/subscriptions/{SUBSCRIPTION}"
THERE = {"approver": "ciso@example.com", "owner": "team@example.com"}
ALL = {**THERE, "ticket": "CHG1"}
EXEMPTION = {
    "id": f"{SCOPE}/providers/Microsoft.Authorization/policyExemptions/lab",
    "name": "lab",
    "type": "Microsoft.Authorization/policyExemptions",
    "properties": {
        "policyAssignmentId": f"{SCOPE}/providers/Microsoft.Authorization/policyAssignments/baseline",
        "exemptionCategory": "Waiver",
        "metadata": THERE,
    },
}
ASKED = {
    ("--metadata", "ticket=CHG1"): {"ticket": "CHG1"},
    ("--metadata", "ticket='CHG1'"): {"ticket": "'CHG1'"},
    ("--set", "metadata.ticket=CHG1"): None,
    ("--metadata", json.dumps(ALL)): ALL,
}
put = []


def answer(self, method, url, data=None, **_):
    if method == "PUT":
        put.append(json.loads(data)["properties"]["metadata"])
    response = requests.Response()
    response.status_code, response._content = 200, json.dumps(EXEMPTION).encode()
    response.raw = SimpleNamespace(version=11)
    response.headers["Content-Type"] = "application/json"
    return response


token = SimpleNamespace(token="none", expires_on=4102444800, refresh_on=None)
credential = SimpleNamespace(
    get_token=lambda *_, **__: token,
    get_token_info=lambda *_, **__: token,
    acquire_token=lambda *_, **__: {"access_token": "none", "expires_in": 3600},
)
print(f"azure-cli {version('azure-cli')}")
print(f"there: {json.dumps(THERE)}")
seen = {}
with (
    patch.object(Profile, "get_login_credentials", lambda *_, **__: (credential, SUBSCRIPTION, "tenant")),
    patch.object(Profile, "get_subscription_id", lambda *_: SUBSCRIPTION),
    patch.object(requests.Session, "request", answer),
):
    for words in ASKED:
        put.clear()
        command = ["policy", "exemption", "update", "--name", "lab", "--scope", SCOPE, *words, "--output", "none"]
        with contextlib.redirect_stderr(io.StringIO()):
            try:
                code = get_default_cli().invoke(command)
            except SystemExit as stop:
                code = stop.code
        seen[words] = put[-1] if code == 0 and put else None
        print(" ".join(words))
        print(f"  PUT {json.dumps(seen[words])}" if seen[words] else "  refused")
sys.exit(seen != ASKED)
PY
