"""Each operation that ARM offers has an entry that says what it was checked against; the docs show the guesses."""

from pathlib import Path
from typing import Any

import pytest

from sandbox.arm import checked, routes, server
from sandbox.arm.checked import OFFERED, SOURCES
from sandbox.arm.target import parse
from tests.sandbox.conftest import AUTH, CORP, GROUP, SINGLE, SUB, SUBSCRIPTION, VAULT, Client, exemption

ARM = "2022-12-01"
RESOURCES = "/providers/Microsoft.Resources"
OWN, OWN_SET = f"{SUBSCRIPTION}{AUTH}/policyDefinitions/own", f"{SUBSCRIPTION}{AUTH}/policySetDefinitions/own"
RULE: dict[str, Any] = {"properties": {"policyRule": {"if": {}, "then": {}}}}
SET: dict[str, Any] = {"properties": {"policyDefinitions": []}}
PLACE = {"location": "westeurope"}
TAGS = {"properties": {"tags": {"a": "b"}}}
HOUR = "eventTimestamp ge '2026-01-01T00:00:00Z' and eventTimestamp le '2026-01-01T01:00:00Z'"
TOKEN = {"operation": {"uri": f"https://management.azure.com{VAULT}", "httpMethod": "PUT"}}
SALES = "/providers/Microsoft.Management/managementGroups/sales"
PATHS: dict[str, tuple[str, Any]] = {
    "policyExemptions": (f"{GROUP}{AUTH}/policyExemptions/e", exemption()),
    "policyAssignments": (f"{GROUP}{AUTH}/policyAssignments/a", {"properties": {"policyDefinitionId": OWN}}),
    "policyEnrollments": (f"{GROUP}{AUTH}/policyEnrollments/e", {"properties": {"policyAssignmentId": SINGLE}}),
    "policyDefinitions": (OWN, RULE),
    "policySetDefinitions": (OWN_SET, SET),
    "policyDefinitions/versions": (f"{OWN}/versions/1.1.0", RULE),
    "policySetDefinitions/versions": (f"{OWN_SET}/versions/1.1.0", SET),
    "locks": (f"{VAULT}{AUTH}/locks/l", {"properties": {"level": "CanNotDelete"}}),
    "permissions": (f"{GROUP}{AUTH}/permissions/p", None),
    "tags": (f"{GROUP}{RESOURCES}/tags/default", TAGS | {"operation": "Merge"}),
    "deployments": (
        f"{GROUP}{RESOURCES}/deployments/d", {"properties": {"mode": "Incremental", "template": {"resources": []}}},
    ),
    "subscriptions": (SUBSCRIPTION, None),
    "resourceGroups": (f"{SUBSCRIPTION}/resourceGroups/more", PLACE),
    "managementGroups": (SALES, {"properties": {}}),
    "managementGroups/subscriptions": (f"{CORP}/subscriptions/{SUB}", {}),
    "resources": (f"{GROUP}/resources/r", None),
    "resource": (f"{GROUP}/providers/Microsoft.Web/sites/s", PLACE),
}  # fmt: skip
ROUTES: dict[str, tuple[str, Any, dict[str, str]]] = {
    "GET metadata": ("/metadata/endpoints", None, {}),
    "GET tenants": ("/tenants", None, {}),
    "GET provider": (f"{SUBSCRIPTION}/providers/Microsoft.Authorization", None, {}),
    "GET providers": (f"{SUBSCRIPTION}/providers", None, {}),
    "GET activityLog": (
        f"{SUBSCRIPTION}/providers/Microsoft.Insights/eventTypes/management/values", None,
        {"filter": f"{HOUR} and resourceUri eq '{VAULT}'"},
    ),
    "POST acquirePolicyToken": (f"{SUBSCRIPTION}{AUTH}/acquirePolicyToken", TOKEN, {}),
    "POST listVersions": (f"{SUBSCRIPTION}{AUTH}/listPolicyDefinitionVersions", None, {}),
    "POST resourceGraph": ("/providers/Microsoft.ResourceGraph/resources", {"query": "resources | project id"}, {}),
}  # fmt: skip
VERBS = ("PUT", "GET", "LIST", "PATCH", "POST", "DELETE")


def version_of(path: str) -> str:
    if "/permissions" in path:
        return "2022-04-01"
    return "2026-01-01-preview" if f"{AUTH}/" in path else ARM


async def test_what_has_an_entry_is_offered_and_nothing_else_is(client: Client) -> None:
    """All verbs, on each kind of resource, parents before children and deletes last."""
    served = set()
    await client.put(OWN, RULE)
    await client.put(OWN_SET, SET)
    for verb in VERBS:
        for kind, (path, body) in PATHS.items() if verb != "DELETE" else reversed(PATHS.items()):
            asked = f"{path}/restart" if verb == "POST" else path.rpartition("/")[0] if verb == "LIST" else path
            sent = body if verb in {"PUT", "PATCH"} else None
            if verb == "PATCH" and kind == "policyEnrollments":
                sent = {"properties": {"assignmentScopeValidation": "Default"}}
            answer = await client.send(verb.replace("LIST", "GET"), asked, sent, version=version_of(path))
            if answer.status < 300:
                served.add(f"{verb} {kind}")
            else:
                assert f"{verb} {kind}" not in OFFERED, (verb, kind, answer)
    for name, (path, body, query) in ROUTES.items():
        method = name.partition(" ")[0]
        answer = await client.send(method, path, body, version=version_of(path), **query)
        assert answer.status == 200, (name, answer)
        served.add(name)
    assert served == set(OFFERED)


@pytest.mark.parametrize("name", ["PUT policyExemptions", "GET tenants"])
async def test_what_has_no_entry_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    method, _, kind = name.partition(" ")
    path, body = PATHS[kind] if kind in PATHS else ROUTES[name][:2]
    assert (await client.send(method, path, body, version=version_of(path))).status < 300
    monkeypatch.setattr(server, "OFFERED", {one: OFFERED[one] for one in OFFERED if one != name})
    answer = await client.send(method, path, body, version=version_of(path))
    assert (answer.status, answer.code) == (405, "HttpMethodNotAllowed")


def test_the_routes_are_all_here() -> None:
    assert {f"{method} {noun}" for method, noun, _ in routes.ROUTES} == set(ROUTES)


@pytest.mark.parametrize("name", OFFERED)
def test_an_entry_names_its_sources_or_is_a_guess(name: str) -> None:
    entry = OFFERED[name]
    assert entry.seen or entry.guess
    for one in entry.seen.split("; ") if entry.seen else ():
        source, _, names = one.partition(": ")
        assert source in SOURCES
        assert names


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (f"{GROUP}/providers/Microsoft.Web/sites/locks", "resource"),
        (f"{SUBSCRIPTION}{AUTH}/roleAssignments/r", "resource"),
        (f"{SUBSCRIPTION.upper()}/RESOURCEGROUPS/g", "resourceGroups"),
        (f"{OWN.upper()}/VERSIONS/1.0.0", "policyDefinitions/versions"),
    ],
)
def test_the_kinds_of_resources(path: str, kind: str) -> None:
    assert checked.name_of("GET", parse(path)) == f"GET {kind}"


def test_the_docs_lead_to_the_table_which_has_every_guess_and_difference() -> None:
    text = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
    assert "`python -m sandbox.arm.checked` prints" in text
    table = checked.table()
    assert [one for one in OFFERED.values() if one.guess not in table or one.differs not in table] == []
