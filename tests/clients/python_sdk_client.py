"""Run by test_python_sdk.py in an environment of its own: one operation of Azure's management client for Python.

Usage: python_sdk_client.py ARM_ADDRESS SUBSCRIPTION_ID CLIENT_ID OPERATION [ARGUMENT ...]; operations are the functions
of this module that take a client. Prints one JSON value. Nothing of the client is changed: it is given an address and a
credential.
"""

import importlib
import json
import sys
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.identity import ManagedIdentityCredential


def create(client: Any, scope: str, name: str, properties: str) -> Any:
    return client.policy_exemptions.create_or_update(scope, name, {"properties": json.loads(properties)}).as_dict()


def show(client: Any, scope: str, name: str) -> Any:
    try:
        return client.policy_exemptions.get(scope, name).as_dict()
    except ResourceNotFoundError as error:
        return {"code": error.error.code if error.error else ""}


def update(client: Any, scope: str, name: str, changes: str) -> Any:
    """Read it, change it, write it: a PATCH has hardly any of its properties."""
    exemption = client.policy_exemptions.get(scope, name)
    for key, value in json.loads(changes).items():
        exemption.properties[key] = value
    return client.policy_exemptions.create_or_update(scope, name, exemption).as_dict()


def patch(client: Any, scope: str, name: str, properties: str) -> Any:
    return client.policy_exemptions.update(scope, name, {"properties": json.loads(properties)}).as_dict()


def listed(client: Any) -> Any:
    return [one.id for one in client.policy_exemptions.list()]


def listed_at(client: Any, group: str, account: str, asked: str) -> Any:
    """List at the management group, a resource group and a storage account in it, with a filter."""
    exemptions = client.policy_exemptions
    return {
        "management group": [one.id for one in exemptions.list_for_management_group("contoso", filter="atScope()")],
        "group": [one.id for one in exemptions.list_for_resource_group(group, filter=asked)],
        "account": [
            one.id
            for one in exemptions.list_for_resource(
                group, "Microsoft.Storage", "", "storageAccounts", account, filter=asked
            )
        ],
    }


def delete(client: Any, scope: str, name: str) -> None:
    client.policy_exemptions.delete(scope, name)


def main(address: str, subscription: str, client_id: str, operation: str, *arguments: str) -> None:
    client = importlib.import_module("azure.mgmt.resource.policy").PolicyClient
    with (
        ManagedIdentityCredential(client_id=client_id) as credential,
        client(credential, subscription, base_url=address) as connected,
    ):
        print(json.dumps(globals()[operation](connected, *arguments)))


if __name__ == "__main__":
    main(*sys.argv[1:])
