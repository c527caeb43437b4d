"""What is read from the events of Microsoft.Resources, as documented, as recorded, and however malformed."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guardrails.azure.events import Dropped, Malformed, Wanted, read_event
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.hint import Hint
from tests import reference

EVENT = json.loads((Path(__file__).parents[1] / "events" / "write.json").read_text())
SUB = "/subscriptions/11111111-2222-3333-4444-555555555555"
NAMED = "/providers/Microsoft.Authorization/policyExemptions/sample"
SCOPES = [
    SUB,
    f"{SUB}/resourceGroups/partner-ingestion",
    f"{SUB}/resourcegroups/rg/providers/Microsoft.Storage/storageAccounts/drop",
    f"{SUB}/resourceGroups/rg/providers/Microsoft.Sql/servers/s/databases/d",
    f"{SUB}/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/v/providers/Microsoft.Insights/diagnosticSettings/x",
    "/providers/Microsoft.Management/managementGroups/corp",
]
WRITE, DELETE = "Microsoft.Resources.ResourceWriteSuccess", "Microsoft.Resources.ResourceDeleteSuccess"
UPN = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"
NAME = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"
OID = "http://schemas.microsoft.com/identity/claims/objectidentifier"


def grid(kind: str = WRITE, where: str = SUB + NAMED, **data: Any) -> dict[str, Any]:
    """An event in the Event Grid schema; a data field of None is taken out."""
    verb = "delete" if "Delete" in kind else "write"
    own = {**EVENT["data"], "resourceUri": where, "operationName": f"Microsoft.Authorization/policyExemptions/{verb}"}
    merged = {key: value for key, value in (own | data).items() if value is not None}
    return {**EVENT, "eventType": kind, "subject": where, "data": merged}


def cloud_event(event: dict[str, Any]) -> dict[str, Any]:
    """The same in the CloudEvents schema."""
    renamed = {"type": "eventType", "time": "eventTime", "source": "topic", "subject": "subject", "id": "id"}
    return {"specversion": "1.0", **{new: event[old] for new, old in renamed.items()}, "data": event["data"]}


def read(event: Any) -> Wanted | Dropped | Malformed:
    return read_event(json.dumps(event))


def wanted(event: Any) -> Wanted:
    found = read(event)
    assert isinstance(found, Wanted), found
    return found


@pytest.mark.parametrize("path", reference.files("corpus/event-grid"), ids=reference.label)
def test_no_corpus_event_is_about_an_exemption(path: Path) -> None:
    raw = path.read_text(encoding="utf-8")
    assert isinstance(read_event(raw), Dropped)
    event = json.loads(raw)
    event = event[0] if isinstance(event, list) else event
    about = SUB + NAMED
    operation = {"operationName": "Microsoft.Authorization/policyExemptions/write", "resourceUri": about}
    turned = read({**event, "subject": about, "data": {**event["data"], **operation}})
    succeeded = event.get("eventType", event.get("type", "")).endswith(("WriteSuccess", "DeleteSuccess"))
    assert isinstance(turned, Wanted if succeeded else Dropped)


@pytest.mark.parametrize("kind", [WRITE, DELETE, WRITE.upper()])
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("shape", [lambda event: event, cloud_event, lambda event: [event]])
def test_writes_and_deletes_at_every_scope_in_both_schemas(kind: str, scope: str, shape: Any) -> None:
    found = wanted(shape(grid(kind, scope + NAMED)))
    assert found.id.text == scope + NAMED
    operation = "delete" if "Delete" in kind else "write"
    assert found.hint == Hint("event", operation, "alice@contoso.com", EVENT["id"])


def test_names_of_operations_and_ids_are_compared_without_case() -> None:
    shouted = grid(where=(SUB + NAMED).upper(), operationName="MICROSOFT.AUTHORIZATION/POLICYEXEMPTIONS/WRITE")
    assert wanted(shouted).id == ExemptionId.parse(SUB + NAMED)


@pytest.mark.parametrize(
    "kind", [f"Microsoft.Resources.Resource{verb}{end}" for verb in ("Write", "Delete", "Action")
             for end in ("Success", "Failure", "Cancel") if verb == "Action" or end != "Success"],
)  # fmt: skip
def test_failures_cancellations_and_actions_are_dropped(kind: str) -> None:
    assert isinstance(read(grid(kind)), Dropped)
    assert isinstance(read(cloud_event(grid(kind))), Dropped)


@pytest.mark.parametrize(
    "operation",
    [
        "Microsoft.Resources/tags/write", "Microsoft.Authorization/policyAssignments/write",
        "Microsoft.Authorization/policyExemptionsX/write", "Microsoft.Resources/deployments/write",
    ],
)  # fmt: skip
def test_other_operations_on_an_exemption_are_dropped(operation: str) -> None:
    assert read(grid(operationName=operation)) == Dropped("operation on something else")


def test_an_event_about_something_else_is_dropped() -> None:
    event = grid(where=f"{SUB}/resourceGroups/rg", operationName=None, authorization=None)
    assert read(event) == Dropped("operation on something else")


@pytest.mark.parametrize(
    "data", [None, [], "", "not JSON", 5, {}, json.dumps(EVENT["data"]), {"claims": None, "authorization": None}]
)
def test_the_subject_is_enough(data: Any) -> None:
    found = wanted({**EVENT, "data": data})
    assert found.id.text == EVENT["subject"]
    assert found.hint.operation == "write"


def test_data_as_text_is_read() -> None:
    text = json.dumps(EVENT["data"])
    assert wanted({**EVENT, "data": text, "subject": None}).hint.actor == "alice@contoso.com"


@pytest.mark.parametrize("empty", [None, "", "{", [], 7])
def test_without_subject_or_resource_uri(empty: Any) -> None:
    event = grid()
    assert wanted({**event, "subject": empty}).id.text == SUB + NAMED
    assert wanted({**event, "data": {**event["data"], "resourceUri": empty}}).id.text == SUB + NAMED
    bare = {**event["data"], "resourceUri": empty}
    renamed = {**event, "subject": empty, "data": {**bare, "resourceUrl": SUB + NAMED}}
    assert wanted(renamed).id.text == SUB + NAMED
    for scoped in ({"scope": SUB + NAMED}, {"Scope": SUB + NAMED}, json.dumps({"Scope": SUB + NAMED})):
        authorized = {**event, "subject": empty, "data": {**bare, "authorization": scoped}}
        assert wanted(authorized).id.text == SUB + NAMED
    found = read({**event, "subject": empty, "data": {**bare, "authorization": ""}})
    assert isinstance(found, Malformed)
    assert (found.event_id, "names no exemption" in found.reason) == (EVENT["id"], True)


@pytest.mark.parametrize(
    ("claims", "authorization", "actor"),
    [
        ({UPN: "a@x", NAME: "n", "appid": "app", OID: "oid"}, None, "a@x"),
        ({NAME: "n", "appid": "app"}, None, "n"),
        ({"appid": "app", OID: "oid"}, None, "app"),
        ({OID: "oid"}, {"evidence": {"principalId": "p"}}, "oid"),
        (json.dumps({UPN: "a@x"}), "", "a@x"),
        ("", {"evidence": {"principalId": "p"}}, "p"),
        (None, {"Evidence": {"PrincipalId": "p"}}, "p"),
        (None, json.dumps({"Evidence": {"PrincipalId": "p"}}), "p"),
        ({UPN: "", "appid": 5, "oid": "o"}, None, "o"),
        ([], [], ""),
        ("", "", ""),
        (None, {"evidence": "", "scope": ""}, ""),
        ({UPN: "x" * 500}, None, "x" * 200),
    ],
)
def test_who_did_it(claims: Any, authorization: Any, actor: str) -> None:
    assert wanted(grid(claims=claims, authorization=authorization)).hint.actor == actor


@pytest.mark.parametrize(
    "raw",
    [
        "", "null", "5", '"text"', "[]", "[[]]", "{}", json.dumps([EVENT, EVENT]), json.dumps(EVENT)[:-20],
        "[" * 200_000, '{"id": ' + "[" * 200_000, json.dumps({**EVENT, "eventType": None}),
        json.dumps({**EVENT, "eventType": ["x"]}), json.dumps({**EVENT, "data": "[" * 200_000, "subject": "x"}),
    ],
)  # fmt: skip
def test_what_is_not_an_event_is_malformed(raw: str) -> None:
    found = read_event(raw)
    assert isinstance(found, Malformed | Dropped)
    if isinstance(found, Dropped):
        assert found.reason == "operation on something else"
    else:
        assert found.reason


@pytest.mark.parametrize("raw", ["", "null", "[]", "[" * 200_000, json.dumps(EVENT)[:-20], json.dumps([EVENT, EVENT])])
def test_a_malformed_event_says_what_is_wrong(raw: str) -> None:
    found = read_event(raw)
    assert isinstance(found, Malformed)
    assert found.reason.startswith(("not JSON", "not a JSON object"))


def test_the_id_of_a_malformed_event_is_kept() -> None:
    assert read({"id": "e-1"}) == Malformed("e-1", "it has no eventType and no type")
    assert read({"id": 17, "eventType": 4}) == Malformed("17", "it has no eventType and no type")


def test_an_id_that_no_request_could_carry_is_malformed() -> None:
    event = grid(where=SUB + NAMED + "\ud800", authorization=None)
    assert isinstance(read(event), Malformed)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([SUB + NAMED, WRITE, "{}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
_KEYS = ["id", "eventType", "type", "subject", "data"]
_DATA_KEYS = ["resourceUri", "operationName", "claims", "authorization", "resourceUrl"]


@given(
    st.dictionaries(st.sampled_from(_KEYS), _JSON)
    | st.builds(
        lambda data, **more: {**EVENT, "data": data, **more}, st.dictionaries(st.sampled_from(_DATA_KEYS), _JSON)
    )
    | _JSON
)
@example({"eventType": WRITE, "data": {"claims": {UPN: {}}}, "subject": ["x"]})
def test_no_json_makes_it_raise(value: Any) -> None:
    found = read(value)
    if isinstance(found, Wanted):
        assert found.id.name
        assert found.hint.source == "event"


@given(st.text())
def test_no_text_makes_it_raise(raw: str) -> None:
    assert isinstance(read_event(raw), Malformed)
