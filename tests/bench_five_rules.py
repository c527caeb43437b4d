"""Five rules in this build and in Cloud Custodian: processor time from an exemption's JSON to what is wrong with it.

    python -m tests.bench_five_rules [ROUNDS]

Both run in a process of their own (Custodian in its own environment, tests/clients/custodian.txt) over the same 1,000
exemptions, in turns. Custodian's side runs the filters alone, and reads nothing but the values that they name.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

from guardrails.ruleset.model import parse_ruleset
from sandbox.stack import ROOT
from tests import bench_judging
from tests.clients.conftest import LISTS, installed

RULES: Final = ("expiry-missing", "expiry-too-far", "ticket-missing", "owner-missing", "scope-too-broad")
FILTERS: Final = (
    {"type": "value", "key": "properties.expiresOn", "value": "absent"},
    {"type": "value", "key": "properties.expiresOn", "value_type": "expiration", "op": "gt", "value": 366},
    {"type": "value", "key": "properties.metadata.approvalTicket", "value": "absent"},
    {"type": "value", "key": "properties.metadata.owner", "value": "absent"},
    {
        "type": "value", "key": "id", "op": "regex",
        "value": "(?i)^(/subscriptions/[^/]+|/providers/microsoft.management/managementgroups/[^/]+)/providers/"
        "microsoft.authorization/policyexemptions/",
    },
)  # fmt: skip
"""The same, in its order."""
ROUNDS: Final = 30


def main(rounds: int = ROUNDS) -> None:
    """Print microseconds per exemption of both, and the ratio of the pairs."""
    ruleset = parse_ruleset(json.dumps({"version": 2, "mode": "audit", "rules": dict.fromkeys(RULES, "alert")}))
    bodies: list[Any] = bench_judging.bodies()
    with tempfile.TemporaryDirectory() as name:
        files = [Path(name, "filters.json"), Path(name, "bodies.json")]
        for file, content in zip(files, (FILTERS, bodies), strict=True):
            file.write_text(json.dumps(content), "utf-8")
        command = [str(installed("custodian") / "python"), str(LISTS / "custodian.py"), "filters", *map(str, files)]
        environment = {**os.environ, "SANDBOX_ARM_TLS": "", "HOME": name}
        with subprocess.Popen(  # noqa: S603 - a fixed command
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as peer:
            assert peer.stdin is not None
            assert peer.stdout is not None
            ours, theirs = [], []
            for _ in range(rounds):
                ours.append(bench_judging.judged_in(bodies, ruleset) * 1e6 / len(bodies))
                print(file=peer.stdin, flush=True)
                seconds, chosen = json.loads(peer.stdout.readline())
                theirs.append(seconds * 1e6 / len(bodies))
            peer.kill()  # it waits for its next turn
    ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
    low, _, high = quantiles(ratios, n=4)
    print(f"Custodian's filters chose {chosen} of {len(bodies)}")
    print(f"this build {median(ours):.2f} us, Custodian {median(theirs):.2f} us an exemption")
    print(f"ratio {median(ratios):.2f} (quartiles {low:.2f} and {high:.2f})")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
