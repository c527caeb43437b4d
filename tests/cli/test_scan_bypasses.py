"""scan and the bypasses that are no exemptions, over HTTP: read, judged, counted, safe to show."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession

from sandbox.cloud import Cloud
from sandbox.identity import token_for
from tests.sandbox.conftest import CORP, GROUP, INITIATIVE, SINGLE, SUB, VAULT, Client

from .conftest import Save
from .test_scan import Tenant, tenant

__all__ = ["tenant"]

SIGNED = {"ticket": "SEC-1", "owner": "network@contoso.com", "reviewDate": "2026-12-24", "expiresOn": "2027-01-31"}
TAGS = {"policyExceptionId": "EXC-1", "exceptionTicket": "SEC-1", "exceptionExpiry": "2027-01-31"}
HOSTILE = "<script>alert(1)</script> [x](http://evil) \u202etxt.exe\x1b[31m |"


@pytest.fixture
async def arm(tenant: Tenant) -> AsyncIterator[Client]:
    """Somebody who may write in the tenant."""
    token = token_for("Ada", "00000000-0000-4000-8000-0000000000ad", upn="ada@contoso.com")
    async with ClientSession() as session:
        yield Client(session, tenant.cloud.addresses["arm"], token)


def change(cloud: Cloud, assignment: str, **properties: Any) -> None:
    entry = cloud.arm.store.entries[assignment.lower()]
    cloud.arm.seed(assignment, {"properties": {**entry.body["properties"], **properties}})


def bypasses_of(document: Any) -> dict[str, set[str]]:
    return {
        f"{one['kind']} {one['scope']}": {finding["code"] for finding in one["findings"]}
        for one in document["bypasses"]
    }


async def test_assignments_and_tags_are_read_and_judged(tenant: Tenant) -> None:
    change(tenant.cloud, SINGLE, notScopes=[GROUP], enforcementMode="DoNotEnforce")
    change(tenant.cloud, INITIATIVE, overrides=[{"kind": "policyEffect", "value": "Disabled"}], metadata=SIGNED)
    tenant.cloud.arm.seed(VAULT, {"location": "westeurope", "tags": TAGS})
    document = (await tenant.scan("--format", "json")).json
    assert bypasses_of(document) == {
        f"not-scope {GROUP}": {"EXG501", "EXG502", "EXG503"}, f"not-enforced {CORP}": {"EXG501", "EXG502", "EXG503"},
        f"override {CORP}": set(), f"tag {VAULT}": {"EXG505"},
    }  # fmt: skip
    assert {one["kind"]: one["seen"] for one in document["bypasses_by_kind"] if one["seen"]} == {
        "tag": 1, "not-scope": 1, "override": 1, "not-enforced": 1
    }  # fmt: skip
    assert document["counts"]["violation"] == 3
    assert document["missing"] == []


async def test_their_violations_make_the_exit_code(tenant: Tenant) -> None:
    tenant.seed(GROUP, "fine")
    change(tenant.cloud, SINGLE, enforcementMode="DoNotEnforce", metadata=SIGNED)
    assert (await tenant.scan()).code == 0
    change(tenant.cloud, SINGLE, metadata={**SIGNED, "expiresOn": "when the move is done"})
    assert (await tenant.scan()).code == 3
    change(tenant.cloud, SINGLE, metadata={})
    ran = await tenant.scan()
    assert ran.code == 1
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert lines[1].startswith("high not enforced EXG501 bypass-ticket-missing;")
    assert lines[1].endswith("single; DoNotEnforce; at management group corp")
    assert "1 1 0 not enforced" in lines
    assert lines[-2] == "1 bypass, 1 with a violation."
    assert lines[-1] == "1 exemption and 1 bypass: 1 violation, 0 unknown, 1 pass, 0 excluded"
    assert (await tenant.scan("--now", "2027-02-01T00:00:00Z", "--exclude", CORP)).code == 0


async def test_the_ruleset_says_which_rules_are_on_and_how_bad_it_is(tenant: Tenant, save: Save) -> None:
    change(tenant.cloud, SINGLE, notScopes=[GROUP], enforcementMode="DoNotEnforce", metadata={})
    ruleset = save(
        "own.yaml",
        "version: 1\nmode: audit\nrules: {expired: alert, bypass-ticket-missing: {severity: low}, bypass-ended: off}\n"
        f"overrides: [{{scope: '{GROUP}', rules: {{bypass-ticket-missing: off, bypass-end-missing: off}}}}]\n",
    )
    document = (await tenant.scan("--format", "json", "--ruleset", ruleset)).json
    assert bypasses_of(document) == {
        f"not-scope {GROUP}": {"EXG502"},
        f"not-enforced {CORP}": {"EXG501", "EXG502", "EXG503"},
    }
    assert {one["kind"]: one["severity"] for one in document["bypasses"]} == {
        "not-scope": "low",
        "not-enforced": "medium",
    }
    lines = [" ".join(line.split()) for line in (await tenant.scan("--ruleset", ruleset)).out.splitlines()]
    assert lines[1].startswith("medium not enforced EXG501 bypass-t")
    assert lines[1].endswith("single; DoNotEnforce; at management group corp")


async def test_only_and_the_scopes_go_for_them_too(tenant: Tenant) -> None:
    change(tenant.cloud, SINGLE, notScopes=[GROUP], enforcementMode="DoNotEnforce", metadata=SIGNED)
    tenant.cloud.arm.seed(VAULT, {"location": "westeurope", "tags": TAGS})

    async def listed(*argv: str) -> set[str]:
        document = (await tenant.scan("--format", "json", *argv)).json
        return {one["kind"] for one in document["bypasses"]}

    assert await listed() == {"not-scope", "not-enforced", "tag"}
    other = "99999999-0000-4000-8000-000000000001"
    tenant.cloud.arm.add_subscription(other, name="other", management_group="corp")
    assert await listed("--subscription", other) == {
        "not-enforced"
    }  # what is above may cover it; the rest is elsewhere
    assert await listed("--only", "violation") == {"tag"}
    assert await listed("--only", "pass") == {"not-scope", "not-enforced"}
    assert await listed("--scope", GROUP) == {"not-scope", "tag"}
    assert await listed("--exclude", GROUP) == {"not-enforced"}
    assert await listed("--subscription", SUB) == {"not-scope", "not-enforced", "tag"}  # the assignment is above


async def test_who_tagged_it_and_when(tenant: Tenant, arm: Client) -> None:
    answer = await arm.send(
        "PATCH", f"{VAULT}/providers/Microsoft.Resources/tags/default",
        {"operation": "Merge", "properties": {"tags": TAGS}}, version="2021-04-01",
    )  # fmt: skip
    assert answer.status == 200, answer
    tenant.cloud.arm.log.requests.clear()
    [one] = (await tenant.scan("--format", "json")).json["bypasses"]
    assert (one["kind"], one["who"]) == ("tag", "ada@contoso.com")
    assert one["since"]
    assert f"written by ada@contoso.com, {one['since'][:10]}" in (await tenant.scan()).out


async def test_assignments_that_may_not_be_read_are_not_none(tenant: Tenant, arm: Client) -> None:
    tenant.seed(GROUP, "fine", policyAssignmentId=f"{CORP}/providers/Microsoft.Authorization/policyAssignments/hidden")
    denial = {"name": "none", "scope": CORP, "actions": ["Microsoft.Authorization/policyAssignments/read"]}
    await arm.control("PUT", "denials", [denial])
    ran = await tenant.scan()
    assert ran.code == 3
    assert "not seen: 1 assignment that exemptions name is not shown by Resource Graph" in ran.out
    assert "No bypass was seen, but not all could be read: there may be some." in ran.out
    assert any(line.split() == ["not", "seen", "0", "0", "overridden", "effects"] for line in ran.out.splitlines())


async def test_hostile_tags_and_assignments_are_safe_in_every_form(tenant: Tenant) -> None:
    selector = {"name": HOSTILE, "selectors": [{"kind": "resourceLocation", "in": ["=1+1", HOSTILE]}]}
    change(tenant.cloud, SINGLE, displayName=HOSTILE, resourceSelectors=[selector], metadata={"owner": "=1+1"})
    tags = {"policyExceptionId": HOSTILE, "exceptionTicket": "@SUM(A1)", "exceptionExpiry": HOSTILE, "owner": HOSTILE}
    tenant.cloud.arm.seed(VAULT, {"location": "westeurope", "tags": tags})
    for form in ("table", "csv", "markdown", "html"):
        ran = await tenant.scan("--format", form)
        assert ran.code == 1
        assert all(char.isprintable() or char in "\r\n" for char in ran.out), form
        if form in ("markdown", "html"):
            assert ran.out.count("<script>") == (form == "html")  # our own
    rows = csv.DictReader(io.StringIO((await tenant.scan("--format", "csv")).out))
    for one in rows:
        assert not any(value.startswith(("=", "+", "-", "@")) for value in one.values())
