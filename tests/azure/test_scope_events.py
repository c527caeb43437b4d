"""What is read from events about the targets of exemptions, and about deployments to them."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.azure.events import Dropped, Malformed, Scope, read_event, read_scope_event
from guardrails.exemption.exemption_id import ExemptionId
from tests import reference
from tests.azure.test_events import _JSON, DELETE, EVENT, NAMED, SUB, WRITE, cloud_event, grid

GROUP = f"{SUB}/resourceGroups/partner-ingestion"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/drop"
DATABASE = f"{GROUP}/providers/Microsoft.Sql/servers/s/databases/d"
SETTING = f"{GROUP}/providers/Microsoft.KeyVault/vaults/v/providers/Microsoft.Insights/diagnosticSettings/x"
RECORD = "/providers/Microsoft.Resources/deployments/release-7"


def about(kind: str, where: str, operation: str, **data: Any) -> dict[str, Any]:
    return grid(kind, where, operationName=operation, **data)


def read(event: Any) -> Scope | Dropped | Malformed:
    return read_scope_event(json.dumps(event))


def scope(event: Any) -> Scope:
    found = read(event)
    assert isinstance(found, Scope), found
    return found


@pytest.mark.parametrize("verb", ["write", "delete"])
@pytest.mark.parametrize(
    ("where", "kind"),
    [
        (GROUP, "Microsoft.Resources/subscriptions/resourceGroups"),
        (ACCOUNT, "Microsoft.Storage/storageAccounts"),
        (DATABASE, "Microsoft.Sql/servers/databases"),
        (SETTING, "Microsoft.Insights/diagnosticSettings"),
    ],
)
@pytest.mark.parametrize("shape", [lambda event: event, cloud_event, lambda event: [event]])
def test_writes_and_deletes_of_targets_in_both_schemas(verb: str, where: str, kind: str, shape: Any) -> None:
    event = about(WRITE if verb == "write" else DELETE, where, f"{kind}/{verb}")
    assert scope(shape(event)) == Scope(where, verb == "write", "alice@contoso.com", EVENT["id"])


@pytest.mark.parametrize("where", [SUB, GROUP])
@pytest.mark.parametrize("spell", [str, str.lower, str.upper])
def test_a_deployment_event_means_what_it_deploys_to(where: str, spell: Any) -> None:
    operation = "Microsoft.Resources/deployments/write"
    assert scope(about(WRITE, spell(where + RECORD), spell(operation))).id == spell(where)
    assert scope(about(WRITE.upper(), spell(where + RECORD) + "/", operation)).written


def test_the_record_of_a_deployment_that_goes_says_nothing() -> None:
    event = about(DELETE, GROUP + RECORD, "Microsoft.Resources/deployments/delete")
    assert read(event) == Dropped("the record of a deployment")


@pytest.mark.parametrize("where", [RECORD, "/", "/subscriptions", f"{SUB}/tagNames/cost", f"{GROUP}//providers"])
def test_what_no_exemption_can_be_attached_to_is_dropped(where: str) -> None:
    event = {**about(WRITE, where, "Microsoft.Resources/deployments/write", authorization=None), "subject": where}
    found = read(event)
    assert isinstance(found, Dropped if where != "/" else Malformed)


@pytest.mark.parametrize("kind", [WRITE, DELETE])
@pytest.mark.parametrize("operation", ["Microsoft.Authorization/policyExemptions/write", "", None])
def test_exemptions_themselves_are_dropped(kind: str, operation: str | None) -> None:
    assert read(grid(kind, ACCOUNT + NAMED, operationName=operation)) == Dropped("an exemption itself")


@pytest.mark.parametrize(
    "kind", [f"Microsoft.Resources.Resource{verb}{end}" for verb in ("Write", "Delete", "Action")
             for end in ("Success", "Failure", "Cancel") if verb == "Action" or end != "Success"],
)  # fmt: skip
def test_failures_cancellations_and_actions_are_dropped(kind: str) -> None:
    event = about(kind, GROUP + RECORD, "Microsoft.Resources/deployments/write")
    assert isinstance(read(event), Dropped)
    assert isinstance(read(cloud_event(event)), Dropped)


def test_the_id_may_be_in_several_places() -> None:
    event = about(WRITE, ACCOUNT, "Microsoft.Storage/storageAccounts/write")
    empties: tuple[Any, ...] = (None, "", 7, [])
    for empty in empties:
        assert scope({**event, "subject": empty}).id == ACCOUNT
        assert scope({**event, "data": {**event["data"], "resourceUri": empty}}).id == ACCOUNT
    bare = {key: value for key, value in event["data"].items() if key not in ("resourceUri", "authorization")}
    assert scope({**event, "subject": None, "data": {**bare, "authorization": {"Scope": ACCOUNT}}}).id == ACCOUNT
    lost = read({**event, "subject": None, "data": bare})
    assert lost == Malformed(EVENT["id"], "it does not say what was written or deleted")


@pytest.mark.parametrize("path", reference.files("corpus/event-grid"), ids=reference.label)
def test_the_corpus_is_read(path: Path) -> None:
    raw = path.read_text(encoding="utf-8")
    found = read_scope_event(raw)
    event = json.loads(raw)
    event = event[0] if isinstance(event, list) else event
    succeeded = event.get("eventType", event.get("type", "")).endswith(("WriteSuccess", "DeleteSuccess"))
    assert isinstance(found, Scope | Dropped) if succeeded else isinstance(found, Dropped)


@pytest.mark.parametrize("raw", ["", "null", "[]", "[" * 200_000, "{}", json.dumps(EVENT)[:-20]])
def test_what_is_no_event_is_malformed(raw: str) -> None:
    assert isinstance(read_scope_event(raw), Malformed)


@given(
    st.builds(
        lambda where, data: {**EVENT, "subject": where, "data": data},
        st.text() | st.sampled_from([GROUP, ACCOUNT, GROUP + RECORD, ACCOUNT + "\ud800", ACCOUNT + "\u0130"]),
        st.dictionaries(st.sampled_from(["resourceUri", "operationName", "claims", "authorization"]), _JSON),
    )
    | _JSON
)
def test_no_json_makes_it_raise_and_what_is_wanted_can_be_looked_up(value: Any) -> None:
    raw = json.dumps(value)
    found = read_scope_event(raw)
    if isinstance(found, Scope):
        assert ExemptionId.parse(found.id + NAMED).scope == found.id
        assert not isinstance(read_event(raw), Malformed)
