"""What a process of the function app has imported when it has answered its first event: see docs/imports.md."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Final

import pytest

from sandbox.cloud import Cloud
from sandbox.stack import ROOT
from sandbox.tenant import APPROVAL, in_days
from tests.register import answers
from tests.sandbox.conftest import GROUP, exemption, exemption_id

pytestmark = pytest.mark.http

EVENT: Final = Path(__file__).parents[1] / "events" / "write.json"
RUN: Final = """
import asyncio, json, sys, function_app
asyncio.run(function_app._look_at(sys.argv[1]))
print(json.dumps([*sys.modules]))
"""
LATE: Final = {
    "azure.identity", "azure.mgmt", "azure.storage", "cryptography", "msal", "requests", "yaml",
    "guardrails.azure.graph", "guardrails.channels.channels", "guardrails.cli", "guardrails.delivery.deliver",
    "guardrails.doctor", "guardrails.files", "guardrails.register.probe", "guardrails.ruleset.load",
    "guardrails.sweep.sweep",
}  # fmt: skip
"""What other work than that of a compliant event is for."""


async def test_a_compliant_event_loads_no_more_than_it_needs(cloud: Cloud) -> None:
    path = exemption_id(GROUP, "one")
    why = "The partner's uploader cannot use private endpoints until its next release."
    cloud.arm.seed(path, exemption(expiresOn=in_days(50), description=why, metadata=dict(APPROVAL)))
    asked, written = list[str](), iter((1, 2, 2))  # rows: two times of the ruleset, then of the exemption

    def store(what: str) -> bytes:
        asked.append(what)
        if what == "submit_transaction":
            return answers.done(["1"] * next(written))
        return answers.refusal(404, "ResourceNotFound")

    event = json.loads(EVENT.read_text("utf-8"))
    event = {**event, "subject": path, "data": {**event["data"], "resourceUri": path}}
    async with answers.speaking(store) as connection:
        settings = {
            **cloud.identity.environment, "GUARDRAILS_ARM_ENDPOINT": cloud.addresses["arm"],
            "GUARDRAILS_ARM_AUDIENCE": "https://management.azure.com", "AzureWebJobsStorage": connection,
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", RUN, json.dumps(event), cwd=ROOT, env={**os.environ, **settings},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, wrong = await process.communicate()
    assert process.returncode == 0, wrong.decode()
    loaded = set(json.loads(said))
    assert (asked.count("submit_transaction"), asked.count("send_message")) == (3, 0)
    assert path.lower() in {request.path.lower() for request in cloud.arm.log.requests}
    assert loaded >= {"azure.core", "azure.data.tables", "aiohttp", "guardrails.intake"}
    assert not LATE & loaded
