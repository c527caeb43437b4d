#!/bin/sh
# c7n-azure 0.7.52 (Cloud Custodian) with azure-mgmt-policyinsights 1.0.1, the version that it requires: the filter
# `policy-compliant`, which selects resources by what Azure Policy says of them.
#
# Expected: `compliant: false` selects the resources whose state is NonCompliant.
# Observed: the filter raises for every policy, since it wants `.value` of an answer that is a pager: reported as issue
# 9660 of cloud-custodian/cloud-custodian. What the error hides: with an answer that has `.value`, the filter takes each
# resource that has any state. It looks neither at complianceState nor at isCompliant, so what is exempt, or compliant,
# counts as non-compliant.
# Why it matters: whoever fixes the error alone gets a policy that tags, stops or deletes exempted resources.
#
# Runs Custodian's filter and Azure's client on an answer from here; nothing is sent. Observed output:
#
#   c7n-azure 0.7.52 requires azure-mgmt-policyinsights==1.0.1; it is 1.0.1
#   as required: AttributeError: 'ItemPaged' object has no attribute 'value'
#   with .value, compliant false: bad (NonCompliant), good (Compliant), spared (Exempt)
#   with .value, compliant true: none
#
# Needs Python 3.10 to 3.13 with venv (PYTHON=python3.13 names another). Exit code 0: as observed; 1: it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
pip() { "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$@"; }
pip c7n==0.9.53 azure-core==1.41.0 azure-mgmt-policyinsights==1.0.1 adal==1.2.7 azure-graphrbac==0.61.2 \
    azure-identity==1.25.3 azure-keyvault-secrets==4.11.2 azure-mgmt-costmanagement==1.0.0 azure-mgmt-resource==23.4.0 \
    azure-mgmt-web==3.0.0 azure-storage-blob==12.30.3 azure-storage-queue==12.17.0 netaddr==0.10.1
pip --no-deps c7n-azure==0.7.52 # of its hundred dependencies, the filter wants those above
"$folder/venv/bin/python" - <<'PY'
import io, json, sys
from importlib.metadata import requires, version
from types import SimpleNamespace
from unittest.mock import patch

import requests
from azure.mgmt.policyinsights import PolicyInsightsClient
from c7n_azure.filters import PolicyCompliantFilter
from urllib3 import HTTPResponse

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/lab"
STATES = {"bad": "NonCompliant", "good": "Compliant", "spared": "Exempt"}
IDS = {name: f"{GROUP}/providers/Microsoft.Storage/storageAccounts/{name}" for name in STATES}
ROWS = [
    {"resourceId": IDS[name], "complianceState": state, "isCompliant": state == "Compliant"}
    for name, state in STATES.items()
]


def answer(*_, **__):
    response = requests.Response()
    response.status_code, response.headers["Content-Type"] = 200, "application/json"
    response.raw = HTTPResponse(io.BytesIO(json.dumps({"value": ROWS}).encode()), preload_content=False)
    return response


def select(client, compliant):
    session = SimpleNamespace(client=lambda _: client, subscription_id=SUBSCRIPTION)
    data = {"type": "policy-compliant", "compliant": compliant}
    filter = PolicyCompliantFilter(data, SimpleNamespace(get_session=lambda: session))
    try:
        resources = [{"id": identity, "name": name} for name, identity in IDS.items()]
        return ", ".join(f"{one['name']} ({STATES[one['name']]})" for one in filter.process(resources)) or "none"
    except AttributeError as error:
        return f"{type(error).__name__}: {error}"


credential = SimpleNamespace(get_token=lambda *_, **__: SimpleNamespace(token="none", expires_on=1 << 32))
client = PolicyInsightsClient(credential, SUBSCRIPTION)
query = client.policy_states.list_query_results_for_subscription
listed = SimpleNamespace(policy_states=SimpleNamespace())
listed.policy_states.list_query_results_for_subscription = lambda **asked: SimpleNamespace(value=[*query(**asked)])
client_name = "azure-mgmt-policyinsights"
required = next(one.replace(" ", "") for one in requires("c7n-azure") if one.startswith(client_name))
print(f"c7n-azure {version('c7n-azure')} requires {required}; it is {version(client_name)}")
with patch.object(requests.Session, "request", answer):
    seen = {
        "as required": select(client, False),
        "with .value, compliant false": select(listed, False),
        "with .value, compliant true": select(listed, True),
    }
for name, outcome in seen.items():
    print(f"{name}: {outcome}")
all_of_them = ", ".join(f"{name} ({state})" for name, state in STATES.items())
sys.exit([*seen.values()] != ["AttributeError: 'ItemPaged' object has no attribute 'value'", all_of_them, "none"])
PY
