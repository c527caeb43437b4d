#!/bin/sh
# c7n-azure 0.7.52 (Cloud Custodian): a policy on azure.armresource in azure-event-grid mode reads what an event is
# about by its id, but not an exemption on a resource. For its api-version it asks the provider of the exempted
# resource, not Microsoft.Authorization, finds none, and raises a ValueError before it reads anything. The function
# fails with it three times, and drops the event without a word at the fourth. So a policy that is to see every
# exemption sees those on subscriptions and resource groups only. Locks on resources are read in the same way.
#
# Runs Custodian's own lookup on a stand-in for the list of providers, without a connection. Observed output:
#
#   c7n-azure 0.7.52
#   on a subscription: Microsoft.Authorization has 2026-01-01-preview; asked for
#   on a resource group: Microsoft.Authorization has 2026-01-01-preview; asked for
#   on a resource: Microsoft.Storage has None; ValueError: No value for given attribute
#   main() at the fourth try: returned None
#
# Needs Python 3.10 to 3.13 with venv (PYTHON=python3.13 names another) and 700 MB. Exit code 0: as observed; 1: it has
# changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check c7n==0.9.53 c7n-azure==0.7.52
"$folder/venv/bin/python" - <<'PY'
import logging
import sys
from importlib.metadata import version
from types import SimpleNamespace

from azure.core.exceptions import ServiceRequestError
from azure.core.pipeline.transport import HttpTransport
from azure.functions.queue import QueueMessage
from azure.mgmt.resource import ResourceManagementClient
from c7n_azure.function import main
from c7n_azure.session import Session

logging.disable(logging.CRITICAL)
SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
GROUP = f"{SUBSCRIPTION}/resourceGroups/lab"
SCOPES = {
    "a subscription": SUBSCRIPTION,
    "a resource group": GROUP,
    "a resource": f"{GROUP}/providers/Microsoft.Storage/storageAccounts/lab",
}
TYPES = {
    "Microsoft.Authorization": {"policyExemptions": ["2026-01-01-preview", "2022-07-01-preview"]},
    "Microsoft.Storage": {"storageAccounts": ["2025-06-01"]},
}
asked = []


class Providers:
    api_version = None

    def get(self, namespace):
        asked.append(namespace)
        types = [SimpleNamespace(resource_type=name, api_versions=found) for name, found in TYPES[namespace].items()]
        return SimpleNamespace(resource_types=types)


class Nowhere(HttpTransport):
    """Sends nothing."""

    def open(self): ...
    def close(self): ...
    def __exit__(self, *_): ...

    def send(self, request, **_):
        raise ServiceRequestError("nothing is sent")


class Credential:
    def get_token(self, *_, **__):
        return SimpleNamespace(token="x", expires_on=1 << 40)


client = ResourceManagementClient(Credential(), SUBSCRIPTION.rpartition("/")[2], transport=Nowhere(), retry_total=0)
print(f"c7n-azure {version('c7n-azure')}")
seen = []
for where, scope in SCOPES.items():
    identity = f"{scope}/providers/Microsoft.Authorization/policyExemptions/lab"
    session = Session()
    session.client = lambda *_: SimpleNamespace(providers=Providers())
    found = session.resource_api_version(identity)
    try:
        client.resources.get_by_id(identity, found)
        outcome = "answered"
    except ServiceRequestError:
        outcome = "asked for"
    except ValueError as error:
        outcome = f"{type(error).__name__}: {error}"
    seen.append((asked.pop(), found, outcome))
    print(f"on {where}: {seen[-1][0]} has {found}; {outcome}")
last = QueueMessage(id="1", body="not even JSON", dequeue_count=4)
dropped = main(last)
print(f"main() at the fourth try: returned {dropped}")
right = ("Microsoft.Authorization", "2026-01-01-preview", "asked for")
wrong = ("Microsoft.Storage", None, "ValueError: No value for given attribute")
sys.exit(seen != [right, right, wrong] or dropped is not None)
PY
