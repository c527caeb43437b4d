"""Records of the activity log: both forms, strings or objects, any casing; nothing keeps the others from being read."""

import json
from typing import Any

import pytest

from guardrails.azure.activity_log import read_records
from guardrails.azure.events import Dropped, Malformed, Wanted

ID = "/providers/Microsoft.Management/managementGroups/corp/providers/Microsoft.Authorization/policyExemptions/All"
CLAIMS = {"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn": "alice@contoso.com", "appid": "app"}

DIAGNOSTIC: dict[str, Any] = {
    "time": "2026-11-21T12:00:00.0000000Z",
    "resourceId": ID.upper(),
    "operationName": "MICROSOFT.AUTHORIZATION/POLICYEXEMPTIONS/WRITE",
    "category": "Administrative",
    "resultType": "Success",
    "resultSignature": "Succeeded.Created",
    "correlationId": "c-1",
    "identity": {"authorization": {"scope": ID, "action": "…/write", "evidence": {"role": "Owner"}}, "claims": CLAIMS},
    "properties": {"statusCode": "Created", "hierarchy": "tenant/corp"},
}
OLDER: dict[str, Any] = {
    "eventTimestamp": "2026-11-21T12:00:00Z",
    "resourceId": ID,
    "operationName": {"value": "Microsoft.Authorization/policyExemptions/delete", "localizedValue": "Delete"},
    "status": {"value": "Succeeded", "localizedValue": "Succeeded"},
    "eventDataId": "e-1",
    "caller": "bob@contoso.com",
}


def only(*records: object) -> Any:
    ((_, read),) = read_records(json.dumps({"records": list(records)}))
    return read


def test_the_form_of_diagnostic_settings_is_read_in_upper_case() -> None:
    read = only(DIAGNOSTIC)
    assert isinstance(read, Wanted)
    assert read.id.text == ID
    assert (read.hint.operation, read.hint.actor, read.hint.event_id) == ("write", "alice@contoso.com", "c-1")


def test_the_older_form_has_objects_for_texts() -> None:
    read = only(OLDER)
    assert isinstance(read, Wanted)
    assert read.id.text == ID
    assert (read.hint.operation, read.hint.actor, read.hint.event_id) == ("delete", "bob@contoso.com", "e-1")


def test_identity_claims_and_authorization_may_be_json_in_a_string() -> None:
    inner = DIAGNOSTIC["identity"]
    strings = {"authorization": json.dumps(inner["authorization"]), "claims": json.dumps(CLAIMS)}
    for identity in (strings, json.dumps(inner)):
        read = only({**DIAGNOSTIC, "identity": identity})
        assert isinstance(read, Wanted)
        assert read.hint.actor == "alice@contoso.com"
        assert read.id.text == ID


def test_without_a_better_spelling_the_upper_case_id_is_the_same_exemption() -> None:
    read = only({**DIAGNOSTIC, "identity": ""})
    assert isinstance(read, Wanted)
    assert read.id.key == ID.lower()
    assert read.hint.actor == ""


@pytest.mark.parametrize("result", ["Start", "Accept", "Failure", "Failed", "", None, {"value": "Started"}, 7])
def test_what_did_not_succeed_is_dropped(result: object) -> None:
    assert isinstance(only({**DIAGNOSTIC, "resultType": result}), Dropped)


def test_other_operations_are_dropped() -> None:
    assert isinstance(only({**DIAGNOSTIC, "operationName": "MICROSOFT.AUTHORIZATION/POLICYASSIGNMENTS/WRITE"}), Dropped)


@pytest.mark.parametrize("malformed", ["text", None, 7, [], [DIAGNOSTIC]])
def test_a_malformed_record_does_not_stop_the_others(malformed: object) -> None:
    first, second = (read for _, read in read_records(json.dumps({"records": [malformed, DIAGNOSTIC]})))
    assert isinstance(first, Malformed)
    assert isinstance(second, Wanted)


def test_one_that_names_no_exemption_is_malformed_and_kept_as_it_came() -> None:
    record = {**DIAGNOSTIC, "resourceId": "/SUBSCRIPTIONS/X", "identity": {}}
    ((raw, read),) = read_records(json.dumps({"records": [record]}))
    assert isinstance(read, Malformed)
    assert json.loads(raw) == record


@pytest.mark.parametrize("raw", ["", "{", "[" * 100_000])
def test_what_is_not_json_is_malformed(raw: str) -> None:
    ((kept, read),) = read_records(raw)
    assert isinstance(read, Malformed)
    assert kept == raw


@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: [one], lambda one: {"records": one}])
def test_a_message_may_be_one_record_or_a_list(wrap: Any) -> None:
    ((_, read),) = read_records(json.dumps(wrap(DIAGNOSTIC)))
    assert isinstance(read, Wanted)
