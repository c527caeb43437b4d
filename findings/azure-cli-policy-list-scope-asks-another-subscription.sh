#!/bin/sh
# azure-cli 2.91.0: `az policy exemption list --scope /subscriptions/B/resourceGroups/G` lists the group named G of the
# *current* subscription, if it has one, and not that of B: who audits one subscription is shown another's exemptions,
# or none, with exit code 0. `--scope` with the id of a resource lists its resource group, and so leaves the resource's
# own exemptions out. `az policy assignment list` does the same. A subscription's id as the scope is honoured, and so is
# `--subscription B --resource-group G`.
#
# Runs the commands with a made-up login and an empty answer to each request; nothing is sent. Observed output, where A
# and B stand for the two subscriptions, and A is the current one:
#
#   azure-cli 2.91.0
#   exemption list --scope /subscriptions/B
#     GET /subscriptions/B
#   exemption list --scope /subscriptions/B/resourceGroups/prod
#     GET /subscriptions/A/resourceGroups/prod
#   exemption list --scope /subscriptions/B/resourceGroups/prod/providers/Microsoft.Storage/storageAccounts/drop
#     GET /subscriptions/A/resourceGroups/prod
#   (and the same three for assignment list)
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
import sys
from importlib.metadata import version
from types import SimpleNamespace
from unittest.mock import patch
from urllib.parse import urlsplit

import requests
from azure.cli.core import get_default_cli
from azure.cli.core._profile import Profile

CURRENT, OTHER = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "ab")
GROUP = f"/subscriptions/{OTHER}/resourceGroups/prod"
SCOPES = (f"/subscriptions/{OTHER}", GROUP, f"{GROUP}/providers/Microsoft.Storage/storageAccounts/drop")
ASKED = [f"/subscriptions/{OTHER}", *2 * [f"/subscriptions/{CURRENT}/resourceGroups/prod"]]
asked = []


def answer(self, method, url, **_):
    scope, provider, _ = urlsplit(url).path.partition("/providers/Microsoft.Authorization/")
    asked.extend([scope] if provider else [])  # it looks for newer versions of itself too
    response = requests.Response()
    response.status_code, response._content, response.raw = 200, b'{"value": []}', SimpleNamespace(version=11)
    response.headers["Content-Type"] = "application/json"
    return response


def short(text):
    return text.replace(CURRENT, "A").replace(OTHER, "B")


token = SimpleNamespace(token="none", expires_on=4102444800, refresh_on=None)
credential = SimpleNamespace(
    get_token=lambda *_, **__: token,
    get_token_info=lambda *_, **__: token,
    acquire_token=lambda *_, **__: {"access_token": "none", "expires_in": 3600},
)
print(f"azure-cli {version('azure-cli')}")
with (
    patch.object(Profile, "get_login_credentials", lambda *_, **__: (credential, CURRENT, "tenant")),
    patch.object(Profile, "get_subscription_id", lambda *_: CURRENT),
    patch.object(requests.Session, "request", answer),
):
    for kind in ("exemption", "assignment"):
        for scope in SCOPES:
            command = ["policy", kind, "list", "--scope", scope]
            print(short(" ".join(command[1:])))
            code = get_default_cli().invoke([*command, "--output", "none"])
            print(f"  GET {short(asked[-1])}" if code == 0 else f"  exit code {code}")
sys.exit(asked != 2 * ASKED)
PY
