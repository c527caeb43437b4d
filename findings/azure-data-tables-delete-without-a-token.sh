#!/bin/sh
# azure-data-tables 12.7.0 with azure-identity 1.27.0: where the managed identity endpoint answers 404 to the request
# for a token, `delete_entity` and `delete_table` of the asynchronous TableClient return as if they had deleted. No
# request was sent to the table. The credential's error has the endpoint's status, and the client takes it for the
# table's own 404, for which a delete is no error. The other operations raise, and so does the synchronous client.
#
# Runs an endpoint of its own on loopback; nothing listens where the table is said to be. Observed output:
#
#   azure-data-tables 12.7.0, azure-identity 1.27.0
#   delete_entity: returned None; the endpoint was asked for a token 1 time
#   delete_table: returned None; the endpoint was asked for a token 1 time
#   get_entity: HttpResponseError 404; the endpoint was asked for a token 1 time
#   delete_entity, synchronous: CredentialUnavailableError None; the endpoint was asked for a token 1 time
#
# Needs Python 3.10 or newer with venv (PYTHON=python3.13 names another). Exit code 0: as observed; 1: it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    aiohttp azure-core==1.41.0 azure-data-tables==12.7.0 azure-identity==1.27.0
"$folder/venv/bin/python" - <<'PY'
import asyncio
import logging
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version

from azure.data.tables import TableClient
from azure.data.tables.aio import TableClient as AsyncTableClient
from azure.identity import ManagedIdentityCredential
from azure.identity.aio import ManagedIdentityCredential as AsyncManagedIdentityCredential

logging.disable(logging.CRITICAL)
TABLE = "https://127.0.0.1:1"
BODY = b'{"statusCode": 404, "message": "no such identity"}'


class Endpoint(BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self):
        Endpoint.asked += 1
        self.send_response(404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Endpoint)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["IDENTITY_ENDPOINT"] = f"http://127.0.0.1:{server.server_port}/msi/token"
os.environ["IDENTITY_HEADER"] = "x"
outcomes = []


def note(name, what):
    outcomes.append(what)
    print(f"{name}: {what}; the endpoint was asked for a token {Endpoint.asked} time")
    Endpoint.asked = 0


def error_of(error):
    return f"{type(error).__name__} {getattr(error, 'status_code', None)}"


async def main():
    async with AsyncManagedIdentityCredential() as credential:
        async with AsyncTableClient(TABLE, "rows", credential=credential, retry_total=0) as client:
            for name, arguments in (("delete_entity", ("p", "r")), ("delete_table", ()), ("get_entity", ("p", "r"))):
                try:
                    note(name, f"returned {await getattr(client, name)(*arguments)}")
                except Exception as error:
                    note(name, error_of(error))


print(", ".join(f"{name} {version(name)}" for name in ("azure-data-tables", "azure-identity")))
asyncio.run(main())
try:
    client = TableClient(TABLE, "rows", credential=ManagedIdentityCredential(), retry_total=0)
    note("delete_entity, synchronous", f"returned {client.delete_entity('p', 'r')}")
except Exception as error:
    note("delete_entity, synchronous", error_of(error))
wanted = ["returned None", "returned None", "HttpResponseError 404", "CredentialUnavailableError None"]
sys.exit(outcomes != wanted)
PY
