#!/bin/sh
# azure-core 1.41.0, on which Azure's clients for Python are built: the header Retry-After in an answer.
#
# Expected: `timeout` bounds an operation, `retry_backoff_max` bounds a pause, and 400 or 404 is final.
# Observed: the pause is what the header says, beyond both limits; the time-out is raised only after it. With the
# header, every answer from 400 up is retried, to a POST too: a refused request is sent four times, with three pauses.
# The documentation of `is_retry` says so; that of `timeout` names no exception.
# Why it matters: Azure Resource Manager throttles with Retry-After, and Event Grid waits 30 seconds for a function. A
# client with `timeout=1` sleeps past that, and the event is delivered again.
#
# Runs an endpoint of its own on loopback, which answers Retry-After: 2. Observed output:
#
#   azure-core 1.41.0
#   GET 429, timeout=1, retry_backoff_max=1: ServiceResponseTimeoutError after 1 request and 2 s
#   POST 400: 400 after 4 requests and 6 s
#   POST 404: 404 after 4 requests and 6 s
#   POST 404 without Retry-After: 404 after 1 request and 0 s
#
# Needs Python 3.10 or newer with venv (PYTHON=python3.13 names another). Exit code 0: as observed; 1: it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check azure-core==1.41.0
"$folder/venv/bin/python" - <<'PY'
import sys, threading, time
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version

from azure.core import PipelineClient
from azure.core.pipeline.policies import RetryPolicy
from azure.core.rest import HttpRequest

PAUSE = 2


class Endpoint(BaseHTTPRequestHandler):
    asked = 0

    def answer(self):
        Endpoint.asked += 1
        status, pause = self.path.strip("/").split("-")
        self.send_response(int(status))
        if pause != "0":
            self.send_header("Retry-After", pause)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = answer

    def log_message(self, *_): ...


server = HTTPServer(("127.0.0.1", 0), Endpoint)
threading.Thread(target=server.serve_forever, daemon=True).start()
seen = []


def ask(name, method, status, pause, **limits):
    Endpoint.asked, start = 0, time.monotonic()
    url = f"http://127.0.0.1:{server.server_port}"
    with PipelineClient(url, policies=[RetryPolicy(**limits)]) as client:
        try:
            outcome = client.send_request(HttpRequest(method, f"{url}/{status}-{pause}")).status_code
        except Exception as error:
            outcome = type(error).__name__
    seen.append((outcome, Endpoint.asked, pauses := int((time.monotonic() - start) / PAUSE)))
    requests = f"{Endpoint.asked} request{'s' * (Endpoint.asked > 1)}"
    print(f"{name}: {outcome} after {requests} and {pauses * PAUSE} s")


print(f"azure-core {version('azure-core')}")
ask("GET 429, timeout=1, retry_backoff_max=1", "GET", 429, PAUSE, timeout=1, retry_backoff_max=1)
ask("POST 400", "POST", 400, PAUSE)
ask("POST 404", "POST", 404, PAUSE)
ask("POST 404 without Retry-After", "POST", 404, 0)
sys.exit(seen != [("ServiceResponseTimeoutError", 1, 1), (400, 4, 3), (404, 4, 3), (404, 1, 0)])
PY
