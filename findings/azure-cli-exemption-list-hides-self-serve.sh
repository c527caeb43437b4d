#!/bin/sh
# azure-cli 2.91.0: `az policy exemption list` asks for api-version 2026-01-01-preview, whose answers have
# `exemptionManagementMode`, and prints exemptions without it: who reads its output cannot see which is a self-serve exemption
# from one that an administrator approved. Every other property of the answer below is printed.
#
# Runs the command's own operations on an answer of Azure Resource Manager, without a connection. Observed output:
#
#   azure-cli 2.91.0 asks by 2026-01-01-preview
#   PolicyExemptionsList: assignmentScopeValidation exemptionCategory policyAssignmentId
#   PolicyExemptionsListForManagementGroup: assignmentScopeValidation exemptionCategory policyAssignmentId
#   PolicyExemptionsListForResourceGroup: assignmentScopeValidation exemptionCategory policyAssignmentId
#
# Needs Python 3.10 or newer with venv (PYTHON=python3.13 names another). Exit code 0: as observed; 1: it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check azure-cli==2.91.0
"$folder/venv/bin/python" - <<'PY'
import sys
from importlib.metadata import version

from azure.cli.command_modules.resource.aaz.latest.policy.exemption import _list

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
PROPERTIES = {
    "policyAssignmentId": f"{SUBSCRIPTION}/providers/Microsoft.Authorization/policyAssignments/baseline",
    "exemptionCategory": "Waiver",
    "assignmentScopeValidation": "Default",
    "exemptionManagementMode": "UserSelfServe",
}
ANSWER = {
    "value": [
        {
            "id": f"{SUBSCRIPTION}/providers/Microsoft.Authorization/policyExemptions/lab",
            "name": "lab",
            "type": "Microsoft.Authorization/policyExemptions",
            "properties": PROPERTIES,
        }
    ]
}
api = _list.List._aaz_info["version"]
print(f"azure-cli {version('azure-cli')} asks by {api}")
printed = {}
for name, operation in sorted(vars(_list.List).items()):
    if hasattr(operation, "_build_schema_on_200"):
        schema = operation._build_schema_on_200()
        value = schema._ValueCls(schema, data=schema.process_data(ANSWER)).to_serialized_data()
        printed[name] = set(value["value"][0]["properties"])
        print(f"{name}: {' '.join(sorted(printed[name]))}")
wanted = PROPERTIES.keys() - {"exemptionManagementMode"}
as_observed = api == "2026-01-01-preview" and len(printed) == 3 and all(one == wanted for one in printed.values())
sys.exit(not as_observed)
PY
