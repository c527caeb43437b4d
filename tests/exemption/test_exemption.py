"""What is read as an exemption, in every shape that tools give it, and what is refused."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from guardrails.errors import Permanent
from guardrails.exemption.body import canonical, fingerprint, put_body, spelling
from guardrails.exemption.exemption_id import ExemptionId, ScopeKind, scope_kind
from guardrails.exemption.model import Exemption, Names
from guardrails.exemption.times import parse_time, spell_time
from guardrails.rules.sample import ASSIGNMENT, BODY, EXEMPTIONS, GROUP, RESOURCE, SUBSCRIPTION
from tests import reference

MG = "/providers/Microsoft.Management/managementGroups/Contoso"
SAMPLE = Exemption.from_arm(BODY)


def _with(**properties: Any) -> dict[str, Any]:
    return {**BODY, "properties": {**BODY["properties"], **properties}}


# --- ids and scopes


@pytest.mark.parametrize(
    ("scope", "kind", "container"),
    [
        (MG, ScopeKind.MANAGEMENT_GROUP, "mg~contoso"),
        (SUBSCRIPTION, ScopeKind.SUBSCRIPTION, SUBSCRIPTION[15:]),
        (GROUP, ScopeKind.RESOURCE_GROUP, SUBSCRIPTION[15:]),
        (RESOURCE, ScopeKind.RESOURCE, SUBSCRIPTION[15:]),
        (RESOURCE + "/blobServices/default/containers/in", ScopeKind.RESOURCE, SUBSCRIPTION[15:]),
        (RESOURCE + "/providers/Microsoft.Insights/diagnosticSettings/all", ScopeKind.RESOURCE, SUBSCRIPTION[15:]),
        (SUBSCRIPTION + "/providers/Microsoft.Security/pricings/Storage", ScopeKind.RESOURCE, SUBSCRIPTION[15:]),
        (RESOURCE + EXEMPTIONS + "inner", ScopeKind.RESOURCE, SUBSCRIPTION[15:]),  # only the last one is ours
    ],
)
def test_scopes_of_all_kinds(scope: str, kind: ScopeKind, container: str) -> None:
    for text in (
        scope,
        scope.upper(),
        scope.lower(),
        scope[1:],
        "/" + scope,
        scope.replace("/resourceG", "/resourceg"),
    ):
        read = ExemptionId.parse(f"{text}{EXEMPTIONS}My exemption #1")
        assert (read.kind, read.container, read.name) == (kind, container, "My exemption #1")
        assert read.scope.lower() == scope.lower()
    assert scope_kind(scope) is kind


@pytest.mark.parametrize(
    "text",
    [
        None, "", "/", 7, {}, SUBSCRIPTION, EXEMPTIONS + "x", "/subscriptions/" + EXEMPTIONS + "x",
        "/managementgroups/x" + EXEMPTIONS + "x", "/subscriptions/managementGroups/x" + EXEMPTIONS + "x",
        SUBSCRIPTION + EXEMPTIONS, SUBSCRIPTION + EXEMPTIONS + "a/b",
        SUBSCRIPTION + "/resourceGroups" + EXEMPTIONS + "x",
        GROUP + "/providers/Microsoft.Storage" + EXEMPTIONS + "x",
        GROUP + "/providers/Microsoft.Storage/storageAccounts" + EXEMPTIONS + "x",
        SUBSCRIPTION + "/foo/bar" + EXEMPTIONS + "x", "/subscriptions//resourceGroups/x" + EXEMPTIONS + "x",
        MG + "/subscriptions/x" + EXEMPTIONS + "x",
        SUBSCRIPTION + "/providers/Microsoft.Authorization/policyAssignments/x",
    ],
)  # fmt: skip
def test_ids_that_are_refused(text: object) -> None:
    with pytest.raises(Permanent) as refused:
        ExemptionId.parse(text)
    assert refused.value.code == "not-an-exemption"
    assert refused.value.remedy


def test_identity_ignores_case() -> None:
    one, two = ExemptionId.parse(str(BODY["id"]).upper()), ExemptionId.parse(str(BODY["id"]).lower())
    assert one == two
    assert len({one, two}) == 1
    assert one != one.text
    assert str(one) == one.text != two.text


def test_characters_that_grow_in_lower_case_do_not_shift_the_name() -> None:
    read = ExemptionId.parse(f"{GROUP}/providers/Microsoft.Storage/storageAccounts/İİİ{EXEMPTIONS}İx")
    assert read.name == "İx"
    assert read.scope.endswith("/İİİ")
    assert read == ExemptionId.parse(read.key)


def test_subscription_and_resource_group_of_an_id() -> None:
    assert SAMPLE.id.subscription == SUBSCRIPTION[15:]
    assert SAMPLE.id.resource_group == "partner-ingestion"
    assert ExemptionId.parse(SUBSCRIPTION + EXEMPTIONS + "x").resource_group is None
    management = ExemptionId.parse(MG + EXEMPTIONS + "x")
    assert (management.subscription, management.resource_group) == (None, None)


# --- shapes


def _pascal(value: object) -> object:
    if isinstance(value, dict):
        return {key[:1].upper() + key[1:]: item if key == "metadata" else _pascal(item) for key, item in value.items()}
    return value


def _shapes() -> Iterator[tuple[str, dict[str, Any]]]:
    properties, top = dict(BODY["properties"]), {k: v for k, v in BODY.items() if k != "properties"}
    system = BODY["systemData"]
    yield "pascal", _pascal(dict(BODY))  # type: ignore[misc]
    yield "pascal outside", {"Properties": properties, "SystemData": system, "ResourceId": BODY["id"], "Name": "x"}
    yield "pascal inside", {**top, "properties": _pascal(properties)}
    yield "lifted by the CLI", {**top, **properties, "resourceGroup": "partner-ingestion"}
    yield (
        "PowerShell, flat",
        {
            **_pascal(properties),  # type: ignore[dict-item]
            "Id": BODY["id"],
            **{"SystemData" + key[:1].upper() + key[1:]: value for key, value in system.items()},
        },
    )
    yield "Resource Graph", {**BODY, "type": "microsoft.authorization/policyexemptions", "tenantId": None}
    yield "properties as text", {**BODY, "properties": json.dumps(properties)}
    yield "metadata as text", _with(metadata=json.dumps(properties["metadata"]))
    yield "singular", {**BODY, "properties": {
        **{k: v for k, v in properties.items() if k != "policyDefinitionReferenceIds"},
        "policyDefinitionReferenceId": ["denyPublicNetwork"], "PolicyDefinitionReferenceIds": None,
    }}  # fmt: skip
    yield "one reference id as text", _with(policyDefinitionReferenceIds="denyPublicNetwork")
    yield "lower-case category", _with(exemptionCategory="waiver")
    yield "seven digits", _with(expiresOn="2027-03-31T00:00:00.0000000Z")
    yield "a date", _with(expiresOn="2027-03-31")
    yield "nulls and blanks", _with(resourceSelectors=None, assignmentScopeValidation=None, exemptionManagementMode="")
    yield "id without a slash", {**BODY, "id": str(BODY["id"])[1:]}
    yield "id with a slash too many", {**BODY, "id": "/" + str(BODY["id"]) + "/"}


@pytest.mark.parametrize(("name", "body"), list(_shapes()), ids=lambda value: value if isinstance(value, str) else "")
def test_every_shape_reads_the_same(name: str, body: dict[str, Any]) -> None:
    read = Exemption.from_arm(body)
    for field in ("id", "assignment_id", "reference_ids", "category", "expires_on", "display_name", "description",
                  "metadata", "said", "selectors", "scope_validation", "created_by", "modified_by", "modified_at",
                  "created_by_type", "management_mode", "owner", "ticket"):  # fmt: skip
        assert getattr(read, field) == getattr(SAMPLE, field), (name, field)
    assert fingerprint(body) == fingerprint(BODY)


@pytest.mark.parametrize("metadata", [None, {}, "", "  ", [], "{}"])
def test_metadata_that_says_nothing(metadata: object) -> None:
    assert Exemption.from_arm(_with(metadata=metadata)).said == {}


def test_null_selectors_and_ids_are_empty() -> None:
    read = Exemption.from_arm(_with(policyDefinitionReferenceIds=None, resourceSelectors=[]))
    assert (read.reference_ids, read.selectors) == ((), ())
    assert Exemption.from_arm({key: value for key, value in BODY.items() if key != "systemData"}).created_by == ""


def test_digit_strings_stay_as_they_are() -> None:
    assert Exemption.from_arm(_with(policyDefinitionReferenceIds=["0012345678901234567890"])).reference_ids == (
        "0012345678901234567890",
    )


@pytest.mark.parametrize(
    "body",
    [
        None, [], "x", 7, {}, {"value": []}, {"error": {"code": "PolicyExemptionNotFound"}}, {"id": BODY["id"]},
        {**BODY, "id": None}, {**BODY, "properties": 7}, {**BODY, "properties": "{"}, {**BODY, "systemData": "x"},
        _with(policyAssignmentId=""), _with(policyAssignmentId=None), _with(policyAssignmentId=["x"]),
        _with(metadata=7), _with(metadata=[1]), _with(metadata="{"), _with(metadata='{"a":' * 90_000 + "}" * 90_000),
        _with(resourceSelectors="x"), _with(resourceSelectors=[1]), _with(policyDefinitionReferenceIds=7),
        _with(policyDefinitionReferenceIds={"a": 1}), _with(policyDefinitionReferenceIds=["tls", None]),
        _with(policyDefinitionReferenceIds=[None]), _with(policyDefinitionReferenceIds=[True]),
    ],
)  # fmt: skip
def test_bodies_that_are_refused_with_one_clear_message(body: object) -> None:
    with pytest.raises(Permanent) as refused:
        Exemption.from_arm(body)
    message = str(refused.value)
    assert refused.value.code == "not-an-exemption"
    assert "\n" not in message
    assert len(message) < 700


def test_a_megabyte_of_metadata_is_read() -> None:
    read = Exemption.from_arm(_with(metadata={"owner": "o" * 1_000_000, "k" * 1_000_000: "v", "ticket": "SEC-1"}))
    assert (len(read.owner), read.ticket) == (1_000_000, "SEC-1")


# --- names


@pytest.mark.parametrize(
    "key",
    ["approvalTicket", "ticket", "ticketRef", "ticket_ref", "TICKET-REF", "Ticket Reference", "ticketReference",
     "ticketId", "change.ticket", "JIRA", "serviceNow"],
)  # fmt: skip
def test_ticket_by_each_of_its_names(key: str) -> None:
    assert Exemption.from_arm(_with(metadata={key: " SEC-1 "})).ticket == "SEC-1"


def test_preferred_name_wins_in_any_order() -> None:
    for metadata in ({"ticket": "B-2", "approvalTicket": "A-1"}, {"approvalTicket": "A-1", "ticket": "B-2"}):
        assert Exemption.from_arm(_with(metadata=metadata)).ticket == "A-1"
    assert Exemption.from_arm(_with(metadata={"ticket": "B-2", "approvalTicket": " "})).ticket == "B-2"


def test_names_can_be_configured() -> None:
    names = Names({"ticket": ("x-change", "ticket")})
    assert Exemption.from_arm(_with(metadata={"X_Change": 7, "approvalTicket": "A-1"}), names).ticket == "7"
    assert Exemption.from_arm(_with(metadata={"X_Change": 7, "owner": "a@b"}), names).owner == "a@b"


@pytest.mark.parametrize(
    ("value", "said"),
    [(12, "12"), (["WAF", " NSG ", 3], "WAF, NSG, 3"), (True, ""), ({"a": 1}, ""), ([["x"]], ""), ([], ""), (None, "")],
)
def test_values_of_any_kind(value: object, said: str) -> None:
    assert Exemption.from_arm(_with(metadata={"owner": value})).owner == said


# --- time


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2027-03-31T10:00:00Z", "2027-03-31T10:00:00Z"),
        ("2027-03-31T10:00:00.0000000Z", "2027-03-31T10:00:00Z"),
        ("2020-07-01T01:01:01.1075056Z", "2020-07-01T01:01:01.107505Z"),
        ("2027-03-31T10:00:00", "2027-03-31T10:00:00Z"),
        ("2027-03-31", "2027-03-31T00:00:00Z"),
        (" 2027-03-31T10:00:00+02:00 ", "2027-03-31T08:00:00Z"),
        ("3021-01-01T00:00:00Z", "3021-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.999999Z"),
        ("9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59Z"),
        ("0001-01-01T00:00:00+12:00", "0001-01-01T00:00:00Z"),
    ],
)
def test_times(text: str, expected: str) -> None:
    read = Exemption.from_arm(_with(expiresOn=text))
    assert read.expires_on is not None
    assert read.expires_on.tzinfo is UTC
    assert spell_time(read.expires_on) == expected


@pytest.mark.parametrize("text", [None, "", "  "])
def test_no_time(text: str | None) -> None:
    read = Exemption.from_arm(_with(expiresOn=text))
    assert (read.expires_on, read.expiry_problem) == (None, None)


@pytest.mark.parametrize(
    "value", ["soon", "31/12/2027", "2027-13-01", "10000-01-01", "\ud800", 1830297600, True, {}, [1]]
)
def test_times_that_cannot_be_read_are_said_so(value: object) -> None:
    read = Exemption.from_arm(_with(expiresOn=value))
    assert read.expires_on is None
    assert read.expiry_problem
    assert "2027-06-30T00:00:00Z" in read.expiry_problem


def test_naive_datetimes_are_utc() -> None:
    naive = datetime(2027, 1, 1)  # noqa: DTZ001
    assert parse_time(naive) == datetime(2027, 1, 1, tzinfo=UTC)
    assert parse_time(naive.date()) == datetime(2027, 1, 1, tzinfo=UTC)


def test_unreadable_system_time_is_no_time() -> None:
    assert Exemption.from_arm({**BODY, "systemData": {"lastModifiedAt": "yesterday"}}).modified_at is None


# --- writing back


def test_unknown_fields_survive_a_round_trip() -> None:
    body = _with(newField={"deep": [1]}, anotherOne=False)
    body["zones"] = ["1"]
    written = put_body(body)
    assert written["properties"] == body["properties"]
    assert written["zones"] == ["1"]
    assert not written.keys() & {"id", "name", "type", "systemData"}


def test_put_body_replaces_metadata_only() -> None:
    before = json.dumps(BODY)
    written = put_body(BODY, {"owner": "x"})
    assert written["properties"] == {**BODY["properties"], "metadata": {"owner": "x"}}
    assert json.dumps(BODY) == before
    assert Exemption.from_arm({**written, "id": BODY["id"]}).owner == "x"


@pytest.mark.parametrize(
    "changes",
    [
        {"expiresOn": "2027-03-31T00:00:00.0000000Z"},
        {"expiresOn": "2027-03-31"},
        {"exemptionCategory": "WAIVER"},
        {"policyAssignmentId": ASSIGNMENT.lower() + "/"},
        {"policyDefinitionReferenceIds": ["DENYPUBLICNETWORK"]},
        {"assignmentScopeValidation": "Default", "exemptionManagementMode": "Admin", "resourceSelectors": []},
        {"metadata": {**BODY["properties"]["metadata"], "guardrails": {"status": "violation", "codes": ["EXG101"]}}},
    ],
)
def test_fingerprint_is_blind_to_spelling_and_marker(changes: dict[str, Any]) -> None:
    assert fingerprint(_with(**changes)) == fingerprint(BODY)


@pytest.mark.parametrize(
    "changes",
    [
        {"expiresOn": "2027-03-31T00:00:01Z"},
        {"expiresOn": None},
        {"exemptionCategory": "Mitigated"},
        {"policyAssignmentId": ASSIGNMENT + "2"},
        {"policyDefinitionReferenceIds": []},
        {"policyDefinitionReferenceIds": ["denyPublicNetwork", "requireTls"]},
        {"assignmentScopeValidation": "DoNotValidate"},
        {"exemptionManagementMode": "UserSelfServe"},
        {"resourceSelectors": [{"name": "x", "selectors": []}]},
        {"displayName": "Another"},
        {"description": "Another reason altogether"},
        {"metadata": {**BODY["properties"]["metadata"], "owner": "other@contoso.com"}},
        {"newField": 0},
    ],
)
def test_fingerprint_sees_content(changes: dict[str, Any]) -> None:
    assert fingerprint(_with(**changes)) != fingerprint(BODY)


SPELLED = {
    "a date": ({"expiresOn": "2027-03-31T00:00:00.0000000Z"}, False),
    "a policy twice": ({"policyDefinitionReferenceIds": ["denyPublicNetwork"] * 2}, False),
    "an empty key of theirs": ({"metadata": {**BODY["properties"]["metadata"], "guardrails": {}}}, False),
    "null": ({"resourceSelectors": None}, True),
    "our tag": ({"metadata": {**BODY["properties"]["metadata"], "guardrails": {"status": "violation"}}}, True),
}


@pytest.mark.parametrize(("changes", "same"), SPELLED.values(), ids=list(SPELLED))
def test_spelling_sees_all_that_is_written_but_our_tag(changes: dict[str, Any], same: bool) -> None:
    assert fingerprint(_with(**changes)) == fingerprint(BODY)
    assert (spelling(_with(**changes)) == spelling(BODY)) is same


def test_spelling_sees_no_tag_where_there_is_no_metadata() -> None:
    tagged = {"guardrails": {"status": "violation"}}
    assert spelling(_with(metadata=tagged)) == spelling(_with(metadata=None)) == spelling(_with(metadata={}))


# --- real files


def _bodies(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the exemption bodies in a recorded answer, a list, or a specification example."""
    if "responses" in document:
        answers = [answer.get("body") for answer in document["responses"].values()]
        return [body for answer in answers if answer for body in _bodies(answer)]
    listed: list[dict[str, Any]] = document.get("value", [document])
    return listed


FILES = reference.files("corpus/rest", "*.json")


@pytest.mark.parametrize("path", FILES, ids=reference.label)
def test_real_files_are_read_or_refused(path: Path) -> None:
    for body in _bodies(json.loads(path.read_text("utf-8"))):
        if "request" in path.stem or "404" in path.stem:  # a PUT names itself in the address; an error is none
            with pytest.raises(Permanent, match=r"\[not-an-exemption\]"):
                Exemption.from_arm(body)
            continue
        read = Exemption.from_arm(body)
        properties = canonical(body)["properties"]
        assert read.assignment_id == properties["policyAssignmentId"]
        assert read.id.text.strip("/") == body["id"].strip("/")
        assert read.category in {"Waiver", "Mitigated"}
        assert read.expiry_problem is None
        assert (read.expires_on is None) == (not properties.get("expiresOn"))
        assert list(read.reference_ids) == (properties.get("policyDefinitionReferenceIds") or [])
        assert put_body(body)["properties"] == body["properties"]
        again = Exemption.from_arm({**put_body(body), "id": body["id"]})
        assert fingerprint(again.body) == fingerprint(body)


DOCUMENTED = {
    "archive-until-moved": ("Records team", "CHG0040021", datetime(2026, 5, 31, 21, 59, tzinfo=UTC)),
    "resourceIsNotApplicable": (
        "Storage team", "4baf214c-8d54-4646-be3f-eb6ec7b9bc4f", datetime(2020, 12, 31, 23, 59, tzinfo=UTC),
    ),
}  # fmt: skip


def test_real_files_hold_what_is_expected() -> None:
    bodies = [body for path in FILES for body in _bodies(json.loads(path.read_text("utf-8")))]
    documented = [body for body in bodies if body.get("name") in DOCUMENTED]
    assert len(documented) == len(reference.places("corpus"))
    for body in documented:
        read = Exemption.from_arm(body)
        assert read.category == "Waiver"
        assert (read.owner, read.ticket, read.expires_on) == DOCUMENTED[body["name"]]
    inherited = [body for body in bodies if str(body.get("id", "")).startswith("/providers/Microsoft.Management/")]
    assert {Exemption.from_arm(body).id.kind for body in inherited} == {ScopeKind.MANAGEMENT_GROUP}
