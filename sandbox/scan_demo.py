"""`make scan-demo`: a tenant with two hundred exemptions and other bypasses of policies, and `guardrails scan` over it.

Checked, not staged: the demo fails when the scan does not find what was put there, or when it changed anything.
"""

import asyncio
import csv
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_DNS, uuid5

from guardrails.cli.failure import INTERRUPTED
from guardrails.cli.screen import Screen
from guardrails.exemption.exemption_id import ExemptionId, ScopeKind
from sandbox.arm.server import Arm
from sandbox.cloud import Cloud
from sandbox.scan_bypasses import Expected, furnish_bypasses, ruleset
from sandbox.stack import PATIENCE, ROOT

AUTH: Final = "/providers/Microsoft.Authorization"
MG: Final = "/providers/Microsoft.Management/managementGroups/"
GROUPS: Final = {"contoso": "", "platform": "contoso", "corp": "contoso", "online": "contoso", "sandboxes": "contoso"}
SUBSCRIPTIONS: Final = {
    "contoso-identity": "platform", "contoso-hub": "platform", "payments-prod": "corp", "payments-test": "corp",
    "data-lake-prod": "corp", "shop-prod": "online", "shop-test": "online", "playground": "sandboxes",
}  # fmt: skip
WORKLOADS: Final = ("ingestion", "reporting", "api", "batch", "web")
RESOURCES: Final = (
    "Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults", "Microsoft.Sql/servers",
    "Microsoft.Web/sites", "Microsoft.ContainerService/managedClusters",
)  # fmt: skip
INITIATIVES: Final = {
    "storage-baseline": ("denyPublicNetwork", "requireTls", "requirePrivateLink", "denySharedKey"),
    "compute-baseline": ("allowedImages", "requireEncryption", "denyPublicIp", "requireBackup"),
}
ASSIGNED: Final = {f"{MG}contoso{AUTH}/policyAssignments/{name}": name for name in INITIATIVES}
DELETED: Final = f"{MG}contoso{AUTH}/policyAssignments/legacy-baseline"
OWNERS: Final = (
    "payments-platform@contoso.com", "data-platform@contoso.com", "web-shop@contoso.com", "network@contoso.com",
    "identity@contoso.com", "jo.meyer@contoso.com",
)  # fmt: skip
WHY: Final = (
    "The vendor's agent cannot use private endpoints until its next release.",
    "The partner uploads over the public endpoint; its addresses are allowed one by one.",
    "The legacy batch host is replaced with the move to the new cluster.",
    "The migration copies from the old account until all of its clients have moved.",
)
PIPELINE: Final = "9b1c6a52-6f0e-4d62-8a11-0d7b0c6f6e11"
COUNT: Final = 200
FAULTS: Final = {
    "fine": 42, "no-expiry": 9, "too-far": 7, "expired": 9, "no-ticket": 9, "no-owner": 5, "whole": 6, "broad": 5,
    "no-control": 5, "deleted-assignment": 3,
}  # fmt: skip
"""What is wrong with an exemption, and how often of a hundred."""
BY_CHANCE: Final = {"EXG306", "EXG406"}
"""What is found of exemptions that chance has put beside others, or where their assignment leaves the scope out."""
HOSTILE: Final = '=HYPERLINK("http://evil") <script>alert(1)</script> [x](http://evil) \u202etxt.exe'


class ScanDemoFailed(Exception):
    """The scan did not show what it must; the text says what."""


def subscription(name: str) -> str:
    """Return the id of a subscription of the demo's tenant."""
    return f"/subscriptions/{uuid5(NAMESPACE_DNS, name)}"


def furnish(arm: Arm, now: datetime) -> tuple[dict[str, str], list[Expected]]:
    """Put the tenant into ARM. Returns what is wrong with each exemption, by id, and the other bypasses."""
    for name, parent in GROUPS.items():
        arm.add_management_group(name, parent=parent, display_name=name.capitalize())
    for name, group in SUBSCRIPTIONS.items():
        arm.add_subscription(subscription(name).rpartition("/")[2], name=name, management_group=group)
    for name, references in INITIATIVES.items():
        ids = {one: f"{AUTH}/policyDefinitions/{one}" for one in references}
        for one, identity in ids.items():
            arm.seed(identity, {"properties": {"displayName": one}})
        members = [
            {"policyDefinitionReferenceId": one, "policyDefinitionId": identity} for one, identity in ids.items()
        ]
        initiative = arm.seed(f"{AUTH}/policySetDefinitions/{name}", {"properties": {"policyDefinitions": members}})
        arm.seed(f"{MG}contoso{AUTH}/policyAssignments/{name}", {"properties": {"policyDefinitionId": initiative}})
    wrong = {}
    for identity, body, fault in exemptions(now):
        scope = ExemptionId.parse(identity)
        if scope.resource_group:
            arm.seed("/".join(scope.scope.split("/")[:5]), {"location": "westeurope"})
        if scope.kind is ScopeKind.RESOURCE:
            arm.seed(scope.scope, {"location": "westeurope"})
        arm.seed(identity, body)
        wrong[identity] = fault
    return wrong, furnish_bypasses(arm, now, {name: subscription(name) for name in SUBSCRIPTIONS}, HOSTILE)


def exemptions(now: datetime, count: int = COUNT) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield id, body and what is wrong; the same ones each time, their dates counted from `now`."""
    chance = random.Random(4)  # noqa: S311 - deterministic on purpose
    faults = chance.choices(list(FAULTS), list(FAULTS.values()), k=count)
    for number, fault in enumerate(faults):
        references = INITIATIVES[ASSIGNED[assignment := chance.choice(list(ASSIGNED))]]
        reference = chance.choice(references)
        scope = _scope(chance, broad=fault == "broad")
        written = now - timedelta(days=chance.randint(3, 300))
        ends = now + timedelta(days=chance.randint(2, 364 - (now - written).days))
        shown = f"Without {_kebab(reference).replace('-', ' ')} until the move"
        metadata = {
            "owner": chance.choice(OWNERS),
            "approvalTicket": f"SEC-{chance.randint(1000, 9999)}",
            "approver": "ciso@contoso.com",
            "reviewDate": (now + timedelta(days=chance.randint(20, 90))).date().isoformat(),
        }
        properties: dict[str, Any] = {
            "policyAssignmentId": assignment,
            "policyDefinitionReferenceIds": [reference],
            "exemptionCategory": chance.choice(["Waiver", "Waiver", "Mitigated"]),
            "displayName": HOSTILE if number == 7 else shown,
            "description": chance.choice(WHY),
            "expiresOn": ends.strftime("%Y-%m-%dT00:00:00Z"),
            "metadata": metadata,
        }
        if properties["exemptionCategory"] == "Mitigated":
            metadata["compensatingControl"] = "Traffic passes the firewall and is logged in the hub."
        _spoil(properties, metadata, fault, now, chance)
        if fault != "fine" and chance.random() < 0.2:
            _spoil(properties, metadata, "no-ticket", now, chance)
        system = {"createdBy": PIPELINE, "createdByType": "Application", "createdAt": _stamp(written)}
        system |= {"lastModifiedBy": PIPELINE, "lastModifiedByType": "Application", "lastModifiedAt": _stamp(written)}
        name = f"{_kebab(reference)}-{number:03}"
        yield f"{scope}{AUTH}/policyExemptions/{name}", {"properties": properties, "systemData": system}, fault


def _spoil(properties: dict[str, Any], metadata: dict[str, Any], fault: str, now: datetime, chance: Any) -> None:
    """Make an exemption wrong in the way that is named."""
    if fault == "no-expiry":
        del properties["expiresOn"]
    elif fault == "too-far":
        properties["expiresOn"] = (now + timedelta(days=chance.randint(400, 900))).strftime("%Y-%m-%dT00:00:00Z")
    elif fault == "expired":
        properties["expiresOn"] = (now - timedelta(days=chance.randint(1, 200))).strftime("%Y-%m-%dT00:00:00Z")
    elif fault == "no-ticket":
        metadata.pop("approvalTicket", None)
    elif fault == "no-owner":
        del metadata["owner"]
    elif fault == "whole":
        del properties["policyDefinitionReferenceIds"]
    elif fault == "no-control":
        properties["exemptionCategory"] = "Mitigated"
        metadata.pop("compensatingControl", None)
    elif fault == "deleted-assignment":
        properties["policyAssignmentId"] = DELETED


def _scope(chance: Any, *, broad: bool) -> str:
    """Return a scope: a management group or subscription where it is to be broad, else one below."""
    if broad and chance.random() < 0.5:
        return MG + str(chance.choice(list(GROUPS)))
    name = chance.choice(list(SUBSCRIPTIONS))
    if broad:
        return subscription(name)
    workload = chance.choice(WORKLOADS)
    group = f"{subscription(name)}/resourceGroups/rg-{workload}"
    if chance.random() < 0.3:
        return group
    kind = chance.choice(RESOURCES)
    return f"{group}/providers/{kind}/{workload}{name.partition('-')[0]}{chance.randint(1, 40):02}"


def _kebab(text: str) -> str:
    return "".join(f"-{char.lower()}" if char.isupper() else char for char in text)


def _stamp(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.0000000Z")


async def demo(rules: str, files: list[Path]) -> None:
    """Run it by a ruleset; write the files: HTML, CSV and JSON. Raises ScanDemoFailed."""
    started = time.monotonic()
    async with Cloud() as cloud:
        wrong, bypasses = furnish(cloud.arm, datetime.now(UTC))
        before = {key: entry.bytes() for key, entry in cloud.arm.store.entries.items()}
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("Azure", "GUARDRAILS"))},
            **cloud.identity.environment,
            "GUARDRAILS_ARM_ENDPOINT": cloud.addresses["arm"],
            "GUARDRAILS_ARM_AUDIENCE": "https://management.azure.com",
            "GUARDRAILS_RULESET": rules,
        }
        say("$ exg scan")
        await scan(environment)
        say("", "$ exg scan --out scan.html --out scan.csv --out scan.json")
        await scan(environment, *(word for file in files for word in ("--out", str(file))))
        if {key: entry.bytes() for key, entry in cloud.arm.store.entries.items()} != before:
            raise ScanDemoFailed("the scan changed something in Azure")
        methods = Counter(f"{one.method} {one.status}" for one in cloud.arm.log.requests)
        if set(methods) - {"GET 200", "GET 404", "POST 200"}:
            raise ScanDemoFailed(f"the scan sent more than reads: {dict(methods)}")
    found = check(wrong, bypasses, *files)
    say("", f"scan-demo: OK {found} requests={methods.total()} seconds={time.monotonic() - started:.1f}")
    say(*(f"{file} ({file.stat().st_size // 1024} KiB)" for file in files), indent=2)


def say(*lines: str, indent: int = 0) -> None:
    """Print lines, before anything that another process prints next."""
    screen = Screen()
    for line in lines:
        screen.line(line, indent=indent)
    sys.stdout.flush()


async def scan(environment: dict[str, str], *words: str) -> None:
    """Run the scan as its user does. Raises ScanDemoFailed unless it exits with 1: there are violations."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "guardrails", "scan", *words, cwd=ROOT, env=environment
    )
    try:
        code = await asyncio.wait_for(process.wait(), PATIENCE)
    except TimeoutError:
        process.kill()
        raise ScanDemoFailed("the scan did not end within {PATIENCE:.0f} s") from None
    if code != 1:
        raise ScanDemoFailed(f"the scan ended with {code}; with violations it must end with 1")


def check(wrong: dict[str, str], bypasses: list[Expected], page: Path, table: Path, data: Path) -> str:
    """Compare what was found with what was put there. Returns the totals; raises ScanDemoFailed."""
    document = json.loads(data.read_text(encoding="utf-8"))
    codes = {one["id"]: {finding["code"] for finding in one["findings"]} for one in document["exemptions"]}
    if codes.keys() != wrong.keys():
        raise ScanDemoFailed(f"{len(codes)} exemptions are in the report, {len(wrong)} in the tenant")
    expected = {
        "no-expiry": "EXG101", "too-far": "EXG102", "expired": "EXG104", "no-ticket": "EXG201", "no-owner": "EXG203",
        "whole": "EXG302", "broad": "EXG301", "no-control": "EXG205", "deleted-assignment": "EXG401",
    }  # fmt: skip
    if not set().union(*codes.values()) >= BY_CHANCE:
        raise ScanDemoFailed(f"{sorted(BY_CHANCE)} are wrong with some exemptions, and not all of them were found")
    for identity, fault in wrong.items():
        if fault != "fine" and expected[fault] not in codes[identity]:
            raise ScanDemoFailed(f"{identity}: {fault} was not found, but {sorted(codes[identity])}")
        if fault == "fine" and codes[identity] - BY_CHANCE:
            raise ScanDemoFailed(f"{identity}: it keeps every rule, and {sorted(codes[identity])} was found")
    check_bypasses(document, bypasses)
    kinds = {ExemptionId.parse(identity).kind for identity in codes}
    if kinds != set(ScopeKind) or document["missing"]:
        raise ScanDemoFailed(f"not all was seen: {kinds}, {document['missing']}")
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    shown = page.read_text(encoding="utf-8")
    held = json.loads(shown.partition('id="data">')[2].partition("</script>")[0])["columns"]["name"]
    count = len(wrong) + len(bypasses)
    if not len(rows) == len(held) == count or "<script>alert" in shown:
        raise ScanDemoFailed("the HTML or the CSV does not hold what the JSON does, or not escaped")
    counts = document["counts"]
    sums = {name: counts[name] for name in ("exemptions", "bypasses", "violation", "unknown", "pass", "excluded")}
    return " ".join(f"{name}={value}" for name, value in sums.items())


def check_bypasses(document: dict[str, Any], bypasses: list[Expected]) -> None:
    """Compare the other bypasses that were found with those that were put there. Raises ScanDemoFailed."""
    found = {(one["kind"], one["scope"], _named(one)): set(map(_key, one["findings"])) for one in document["bypasses"]}
    expected = {(str(one.kind), one.scope, one.name): set(one.keys) for one in bypasses}
    if found != expected:
        different = [key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key)]
        raise ScanDemoFailed(f"other bypasses: {sorted(different)} are not as they were put there")
    if not all(one["whole"] for one in document["bypasses_by_kind"]):
        raise ScanDemoFailed("not all bypasses were read")


def _named(bypass: dict[str, Any]) -> str:
    return str(bypass["scope" if bypass["kind"] == "tag" else "subject"]).rpartition("/")[2]


def _key(finding: dict[str, Any]) -> str:
    return str(finding["code"]) + ("?" if finding["status"] == "unknown" else "")


def main() -> int:
    """Run the demo; return its exit code."""
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    files = [build / f"scan.{kind}" for kind in ("html", "csv", "json")]
    for file in files:
        file.unlink(missing_ok=True)
    try:
        rules = build / "contoso.yaml"
        rules.write_text(ruleset(OWNERS[-1]), encoding="utf-8")
        asyncio.run(demo(str(rules), files))
    except ScanDemoFailed as error:
        say(f"scan-demo: FAILED: {error}")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
