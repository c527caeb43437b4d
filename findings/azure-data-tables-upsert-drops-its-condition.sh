#!/bin/sh
# azure-data-tables 12.7.0: `match_condition=MatchConditions.IfNotModified`, with which a program keeps from overwriting
# a row that somebody else has changed since it read it.
#
# Expected: every operation that takes the condition honours it, or refuses it.
# Observed: three answers to the same argument. `update_entity`, `delete_entity` and a delete in a transaction take the
# ETag from the row. An update in a transaction raises for the same row: it wants `etag` too. `upsert_entity` and an
# upsert in a transaction send no condition and succeed; with `etag` they send one.
# Why it matters: a newer row is overwritten without an error. Two workers on one exemption both believe that they won,
# and one decision is lost.
#
# Runs an endpoint of its own on loopback, which shows the header If-Match of each request. Observed output:
#
#   azure-data-tables 12.7.0
#   update_entity: If-Match: W/"1"
#   delete_entity: If-Match: W/"1"
#   upsert_entity: no If-Match
#   transaction, update: ValueError: IfNotModified must be specified with etag.
#   transaction, delete: If-Match: W/"1"
#   transaction, upsert: no If-Match
#   upsert_entity with etag: If-Match: W/"1"
#   transaction, upsert with etag: If-Match: W/"1"
#
# Needs Python 3.10 or newer with venv (PYTHON=python3.13 names another). Exit code 0: as observed; 1: it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check azure-core==1.41.0 azure-data-tables==12.7.0
"$folder/venv/bin/python" - <<'PY'
import re, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version

from azure.core import MatchConditions
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import AzureError
from azure.data.tables import TableClient

ROW = b'{"odata.etag": "W/\\"1\\"", "PartitionKey": "p", "RowKey": "r", "state": "approved"}'
CONDITION = {"match_condition": MatchConditions.IfNotModified}
asked = []


class Endpoint(BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        asked.append(f"{self.headers}{body}")
        answer = ROW if self.command == "GET" else b""
        self.send_response(200 if answer else 202 if self.command == "POST" else 204)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def log_message(self, *_): ...


server = HTTPServer(("127.0.0.1", 0), Endpoint)
threading.Thread(target=server.serve_forever, daemon=True).start()
endpoint = f"http://127.0.0.1:{server.server_port}"
client = TableClient(endpoint, "rows", credential=AzureNamedKeyCredential("lab", "bGFi"))
row = client.get_entity("p", "r")
ETAG = {"etag": row.metadata["etag"]}
operations = {
    "update_entity": lambda: client.update_entity(row, **CONDITION),
    "delete_entity": lambda: client.delete_entity(row, **CONDITION),
    "upsert_entity": lambda: client.upsert_entity(row, **CONDITION),
    "transaction, update": lambda: client.submit_transaction([("update", row, CONDITION)]),
    "transaction, delete": lambda: client.submit_transaction([("delete", row, CONDITION)]),
    "transaction, upsert": lambda: client.submit_transaction([("upsert", row, CONDITION)]),
    "upsert_entity with etag": lambda: client.upsert_entity(row, **CONDITION, **ETAG),
    "transaction, upsert with etag": lambda: client.submit_transaction([("upsert", row, {**CONDITION, **ETAG})]),
}
print(f"azure-data-tables {version('azure-data-tables')}")
seen = []
for name, operation in operations.items():
    asked.clear()
    outcome = "no If-Match"
    try:
        operation()
    except (AzureError, ValueError) as error:  # the endpoint's answer to a transaction is empty, which raises too
        outcome = outcome if asked else f"{type(error).__name__}: {error}"
    if found := re.search(r"(?im)^if-match: *(\S+)", "".join(asked)):
        outcome = f"If-Match: {found[1]}"
    seen.append(outcome)
    print(f"{name}: {outcome}")
sent, none = 'If-Match: W/"1"', "no If-Match"
refused = "ValueError: IfNotModified must be specified with etag."
sys.exit(seen != [sent, sent, none, refused, sent, none, sent, sent])
PY
