"""Policy tokens: a write that Azure refuses for want of one is sent once more with one, byte for byte."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, cast

import pytest

from guardrails.azure.arm import ArmRest
from guardrails.azure.policy_tokens import _demands, _issued
from guardrails.azure.refusals import UNKNOWN_DELAY
from guardrails.errors import Permanent, Retryable
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.facts import Gone
from sandbox.arm.errors import ArmError
from sandbox.arm.policy_tokens import Demand
from sandbox.arm.reply import Reply
from sandbox.cloud import Cloud
from tests.azure.conftest import OID, MakeArm
from tests.battery.wire import Answer
from tests.sandbox.conftest import CORP, GROUP, SUBSCRIPTION, VAULT, exemption, exemption_id

HERE = ExemptionId.parse(exemption_id(GROUP, "waived"))
BODY = exemption(displayName="Partner ingestion", metadata={"ticket": "SEC-1"})
ACQUIRE = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/acquirePolicyToken"
NAME = "guardrails-exemption-waived"


def demand(cloud: Cloud, **knobs: Any) -> None:
    cloud.arm.policy_tokens.demand = Demand(**knobs)


def asked(cloud: Cloud) -> list[tuple[str, int]]:
    return [(seen.method, seen.status) for seen in cloud.arm.log.requests if seen.method != "GET"]


async def do(arm: ArmRest, call: str) -> None:
    if call == "put":
        await arm.put(HERE, BODY)
    elif call == "delete":
        await arm.delete(HERE)
    else:
        await arm.tag_scope(GROUP, NAME, "violation: EXG201" if call == "tag" else None)


@pytest.fixture
def there(cloud: Cloud) -> None:
    """Let there be what each call changes."""
    cloud.arm.seed(HERE.text, exemption(displayName="of before"))
    cloud.arm.store.entries[GROUP.lower()].body["tags"] = {NAME: "violation: EXG101"}


CALLS = {"put": "PUT", "delete": "DELETE", "tag": "PATCH", "untag": "PATCH"}


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("call", CALLS)
async def test_a_write_that_wants_a_token_is_sent_once_more_with_one(arm: ArmRest, cloud: Cloud, call: str) -> None:
    demand(cloud)
    await do(arm, call)
    assert asked(cloud) == [(CALLS[call], 403), ("POST", 200), (CALLS[call], 200)]
    if call == "put":
        found = await arm.get(HERE)
        assert isinstance(found, dict)
        assert found["properties"]["displayName"] == "Partner ingestion"
    elif call == "delete":
        assert await arm.get(HERE) == Gone()
    else:
        tags = cloud.arm.store.entries[GROUP.lower()].body["tags"]
        assert tags == ({NAME: "violation: EXG201"} if call == "tag" else {})


async def test_where_none_is_wanted_none_is_asked_for(arm: ArmRest, cloud: Cloud) -> None:
    await arm.put(HERE, BODY)
    await arm.tag_scope(GROUP, NAME, "x")
    assert asked(cloud) == [("PUT", 201), ("PATCH", 200)]


async def test_each_write_has_a_token_of_its_own(arm: ArmRest, cloud: Cloud) -> None:
    demand(cloud)
    await arm.put(HERE, BODY)
    await arm.put(HERE, BODY)
    assert asked(cloud) == [("PUT", 403), ("POST", 200), ("PUT", 201), ("PUT", 403), ("POST", 200), ("PUT", 200)]


@pytest.mark.parametrize("scope", [CORP, SUBSCRIPTION, GROUP, VAULT])
async def test_it_is_asked_for_in_the_subscription_or_management_group(arm: ArmRest, cloud: Cloud, scope: str) -> None:
    demand(cloud)
    await arm.put(ExemptionId.parse(exemption_id(scope, "one")), BODY)
    at = CORP if scope == CORP else SUBSCRIPTION
    paths = [seen.path for seen in cloud.arm.log.requests if seen.method == "POST"]
    assert paths == [f"{at}/providers/Microsoft.Authorization/acquirePolicyToken"]


@pytest.mark.parametrize("name", ["with space", "a#b", "ü-漢", "a;b=c,d", "!(a)'b'", 'a"b', "a$b@c"])
async def test_address_and_bytes_are_those_that_were_sent(arm: ArmRest, cloud: Cloud, name: str) -> None:
    demand(cloud)
    where = ExemptionId.parse(exemption_id(GROUP, name))
    said = {"ticket": 'ü "quoted" \\ \n 漢', "half": "\ud800", "content": {"uri": "x"}, "números": [1, 1.5, None, True]}
    await arm.put(where, exemption(displayName=name, metadata=said))
    await arm.delete(where)
    assert [status for _, status in asked(cloud)] == [403, 200, 201, 403, 200, 200]


@pytest.mark.parametrize("name", ["what?", "50%", "plus+and&amp", "per%cent"])
async def test_so_they_are_where_the_name_can_only_be_deleted(arm: ArmRest, cloud: Cloud, name: str) -> None:
    demand(cloud)
    cloud.arm.seed(exemption_id(GROUP, name), BODY)
    await arm.delete(ExemptionId.parse(exemption_id(GROUP, name)))
    assert [status for _, status in asked(cloud)] == [403, 200, 200]


@pytest.mark.http
@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("call", CALLS)
async def test_a_lost_answer_to_a_write_with_a_token_is_no_refusal(
    arm: ArmRest, cloud: Cloud, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    demand(cloud)
    acquire = cloud.arm.policy_tokens.acquire

    def lose_the_next(*request: Any) -> Reply:
        cloud.arm.control._post_faults({"method": CALLS[call], "drop": True, "after": True, "count": 1})
        return acquire(*request)

    monkeypatch.setattr(cloud.arm.policy_tokens, "acquire", lose_the_next)
    with pytest.raises(Retryable):
        await do(arm, call)
    if call == "delete":
        assert await arm.get(HERE) == Gone()
    assert asked(cloud) == [(CALLS[call], 403), ("POST", 200)]  # what is dropped is not in the log


# A refusal that is final


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("knobs", "why"),
    [({"never": True}, "a policy token that is not enough"), ({"lifetime": -5.0}, "a policy token that has expired")],
)
async def test_a_second_refusal_is_cannot_act_and_nothing_is_sent_a_third_time(
    arm: ArmRest, cloud: Cloud, call: str, knobs: dict[str, Any], why: str
) -> None:
    demand(cloud, **knobs)
    before = dict(cloud.arm.store.entries)
    with pytest.raises(Permanent) as caught:
        await do(arm, call)
    assert caught.value.code == "cannot-act"
    assert "RequestDisallowedByPolicy" in caught.value.message
    assert why in caught.value.message
    assert asked(cloud) == [(CALLS[call], 403), ("POST", 200), (CALLS[call], 403)]
    assert cloud.arm.store.entries == before


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("call", CALLS)
async def test_what_the_external_evaluation_denies_is_cannot_act(arm: ArmRest, cloud: Cloud, call: str) -> None:
    demand(cloud, outcome="Deny")
    with pytest.raises(Permanent) as caught:
        await do(arm, call)
    assert caught.value.code == "cannot-act"
    assert caught.value.message == (
        "RequestDisallowedByPolicy: the external evaluation of "
        "/providers/Microsoft.Authorization/policyAssignments/external-evaluation denies this write"
    )
    assert asked(cloud) == [(CALLS[call], 403), ("POST", 200)]


async def test_who_may_not_ask_for_a_token_cannot_act(arm: ArmRest, cloud: Cloud) -> None:
    demand(cloud)
    kept = ["Microsoft.Authorization/policyExemptions/*", "Microsoft.Authorization/policyAssignments/exempt/action"]
    cloud.arm.control._put_permissions({OID: [{"scope": "", "actions": kept}]})
    with pytest.raises(Permanent) as caught:
        await arm.put(HERE, BODY)
    assert caught.value.code == "cannot-act"
    assert caught.value.message.startswith("a policy token was not issued: AuthorizationFailed: ")
    cloud.arm.control._put_permissions({OID: [{"scope": "", "actions": [*kept, "*/read"]}]})  # the built-in Reader
    await arm.put(HERE, BODY)


async def test_a_policy_that_wants_no_token_refuses_at_once(arm: ArmRest, cloud: Cloud) -> None:
    cloud.arm.control._post_faults({"method": "PUT", "status": 403, "code": "RequestDisallowedByPolicy"})
    with pytest.raises(Permanent, match="cannot-act"):
        await arm.put(HERE, BODY)
    assert asked(cloud) == [("PUT", 403)]


@pytest.mark.parametrize(("should_deny", "is_asked"), [(True, True), (None, True), (False, False)])
async def test_a_missing_token_that_would_not_deny_is_not_why(
    arm: ArmRest, cloud: Cloud, should_deny: bool | None, is_asked: bool
) -> None:
    demand(cloud, should_deny=should_deny)
    if is_asked:
        await arm.put(HERE, BODY)
        return
    with pytest.raises(Permanent, match="cannot-act"):
        await arm.put(HERE, BODY)
    assert asked(cloud) == [("PUT", 403)]


@pytest.mark.parametrize(("should_deny", "is_asked"), [("true", True), ("False", False), (0, True), (["x"], True)])
async def test_a_field_that_is_no_boolean_counts_as_one_where_it_is_spelled_as_one(
    arm: ArmRest, cloud: Cloud, should_deny: Any, *, is_asked: bool
) -> None:
    demand(cloud, should_deny=should_deny)
    with suppress(Permanent):
        await arm.put(HERE, BODY)
    assert len(asked(cloud)) == (3 if is_asked else 1)


# Change references


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("call", CALLS)
async def test_a_change_reference_that_is_wanted_and_not_set_is_cannot_act(
    arm: ArmRest, cloud: Cloud, call: str
) -> None:
    demand(cloud, change_reference="/changes/1")
    with pytest.raises(Permanent) as caught:
        await do(arm, call)
    assert caught.value.code == "cannot-act"
    assert "change reference" in caught.value.message
    assert "GUARDRAILS_CHANGE_REFERENCE" in caught.value.message
    assert asked(cloud) == [(CALLS[call], 403)]


@pytest.mark.parametrize(("required", "can_act"), [("true", False), ("True", False), ("false", True), (None, True)])
async def test_that_a_change_reference_is_required_may_be_said_as_text(
    arm: ArmRest, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, required: Any, *, can_act: bool
) -> None:
    demand(cloud)
    refused = cloud.arm.policy_tokens._refused

    def spelled(*about: Any) -> ArmError:
        error = refused(*about)
        assert error.info is not None
        error.info["info"]["evaluationDetails"]["missingPolicyTokenDetails"]["isChangeReferenceRequired"] = required
        return error

    monkeypatch.setattr(cloud.arm.policy_tokens, "_refused", spelled)
    if can_act:
        await arm.put(HERE, BODY)
        return
    with pytest.raises(Permanent, match="GUARDRAILS_CHANGE_REFERENCE"):
        await arm.put(HERE, BODY)
    assert asked(cloud) == [("PUT", 403)]


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("call", CALLS)
async def test_the_change_reference_that_is_set_goes_with_the_request_for_a_token(
    make_arm: MakeArm, cloud: Cloud, call: str
) -> None:
    demand(cloud, change_reference='/changes/"1"')
    await do(make_arm(change_reference='/changes/"1"'), call)
    assert [status for _, status in asked(cloud)] == [403, 200, 200]


async def test_one_that_is_not_known_may_be_later(make_arm: MakeArm, cloud: Cloud) -> None:
    demand(cloud, change_reference="/changes/2")
    with pytest.raises(Retryable) as caught:
        await make_arm(change_reference="/changes/1").put(HERE, BODY)
    assert (caught.value.code, caught.value.delay) == ("no-policy-token", UNKNOWN_DELAY)


# No token yet


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("trouble", "delay"),
    [
        ({"status": 202, "retry_after": "7"}, 7),
        ({"status": 202}, 10),
        ({"status": 202, "retry_after": "999999"}, 3600),
        ({"status": 429, "retry_after": "40"}, 40),
        ({"status": 500}, 10),
        ({"status": 503, "retry_after": "0"}, 1),
        ({"status": 401}, 10),
        ({"status": 404, "code": "InvalidResourceType"}, UNKNOWN_DELAY),
        ({"status": 403, "code": "SomethingNew"}, UNKNOWN_DELAY),
        ({"drop": True}, 10),
    ],
)
async def test_a_token_that_is_pending_or_fails_is_retryable(
    arm: ArmRest, cloud: Cloud, call: str, trouble: dict[str, Any], delay: float
) -> None:
    demand(cloud)
    before = dict(cloud.arm.store.entries)
    cloud.arm.control._post_faults({"path": "acquirePolicyToken$", "message": "a body of a stranger", **trouble})
    with pytest.raises(Retryable) as caught:
        await do(arm, call)
    assert (caught.value.subject, caught.value.delay) == (HERE.text if call in ("put", "delete") else GROUP, delay)
    assert "stranger" not in caught.value.message
    assert cloud.arm.store.entries == before
    assert [method for method, _ in asked(cloud)].count(CALLS[call]) == 1
    cloud.arm.faults.rules.clear()
    await do(arm, call)


@pytest.mark.parametrize(
    ("after", "least", "most"),
    [(None, UNKNOWN_DELAY, UNKNOWN_DELAY), (120.0, 118, 121), (-5.0, 1, 1), (1e6, 3600, 3600)],
)
async def test_an_evaluation_that_failed_says_when_to_ask_again(
    arm: ArmRest, cloud: Cloud, after: float | None, least: float, most: float
) -> None:
    demand(cloud, outcome="Failed", retry_after=after)
    with pytest.raises(Retryable) as caught:
        await arm.put(HERE, BODY)
    assert caught.value.code == "no-policy-token"
    assert least <= caught.value.delay <= most
    assert asked(cloud) == [("PUT", 403), ("POST", 200)]


GOOD = {"result": "Succeeded", "token": "PoP abc"}


def issued(body: Any, status: int = 200) -> str:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer: Any = Answer(Reply(status, raw), format_datetime(datetime(2026, 11, 2, tzinfo=UTC), usegmt=True))
    return _issued(answer, "one")


def test_a_token_is_taken_as_it_is() -> None:
    assert issued(GOOD) == "PoP abc"
    assert issued({**GOOD, "result": "succeeded", "results": [{"policyAction": "Audit"}, 7]}) == "PoP abc"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"<html>", b'{"result": "Succ', {}, {"result": "Succeeded"}, {**GOOD, "result": "Failed"},
        {"token": "PoP abc"}, {**GOOD, "token": 7}, {**GOOD, "token": ""}, {**GOOD, "token": "PoP\r\nX: y"},
        {**GOOD, "token": "PoP ü"}, {**GOOD, "token": None, "results": 7, "retryAfter": "soon"},
        {**GOOD, "token": None, "results": [{"policyAction": "Error"}], "retryAfter": 5},
    ],
)  # fmt: skip
def test_an_answer_without_a_token_is_retryable(body: Any) -> None:
    with pytest.raises(Retryable) as caught:
        issued(body)
    assert (caught.value.code, caught.value.subject, caught.value.delay) == ("no-policy-token", "one", UNKNOWN_DELAY)


@pytest.mark.parametrize("spelled", ["2026-11-02T00:02:00Z", "2026-11-02T01:02:00.0000000+01:00", "2026-11-02T00:02"])
def test_the_time_to_ask_again_is_read_by_azures_clock(spelled: str) -> None:
    with pytest.raises(Retryable) as caught:
        issued({"result": "Failed", "retryAfter": spelled})
    assert timedelta(seconds=caught.value.delay) == timedelta(minutes=2)


def test_a_token_of_another_success_is_none() -> None:
    with pytest.raises(Retryable, match="HTTP 202"):
        issued(GOOD, 202)


@pytest.mark.parametrize("info", [None, {}, {"policyAssignmentId": 7}, {"policyAssignmentId": ""}])
def test_a_denial_that_names_no_policy_is_one(info: Any) -> None:
    with pytest.raises(Permanent, match="the external evaluation of a policy denies"):
        issued({"result": "Succeeded", "results": [{"policyAction": "deny", "policyInfo": info}]})


def test_a_denial_says_why_and_what_strangers_wrote_is_escaped() -> None:
    with pytest.raises(Permanent) as caught:
        issued(
            {
                "result": "Succeeded",
                "results": [{"policyAction": "Deny", "message": "in use\x1b[31m\u202e" + "x" * 999}],
            }
        )
    assert caught.value.message.startswith(
        "RequestDisallowedByPolicy: the external evaluation of a policy denies this write: in use\\x1b[31m\\u202e"
    )
    assert len(caught.value.message) < 500


@pytest.mark.parametrize("policy_action", ["Deny", "Error", "Unknown", None, 7, ["Deny"]])
def test_an_endpoint_that_failed_denies_nothing_whatever_follows_from_it(policy_action: Any) -> None:
    with pytest.raises(Retryable, match="no-policy-token"):
        issued(
            {"result": "Succeeded", "results": [{"policyAction": policy_action, "result": "Failed", "message": "x"}]}
        )


def nested(depth: int) -> Any:
    return {"info": nested(depth - 1)} if depth else "x"


DETAILS = {"shouldDeny": True, "isChangeReferenceRequired": "\u202e" * 9999, "endpointKind": {"a": ["\x1b"]}}


@pytest.mark.parametrize(
    ("more", "is_asked"),
    [
        (None, False), (7, False), ("x", False), ({}, False), ([None, 7, "x", [], {}], False), ([{"info": 7}], False),
        ([{"info": {"evaluationDetails": []}}], False), ([{"info": {"evaluationDetails": {}}}] * 9999, False),
        ([{"info": {"evaluationDetails": {"missingPolicyTokenDetails": True}}}], False), ([nested(900)], False),
        ([7, {"info": {"evaluationDetails": {"missingPolicyTokenDetails": DETAILS}}}], True),
        ([{"info": {"evaluationDetails": {"missingPolicyTokenDetails": {}}}}], True),
    ],
)  # fmt: skip
def test_the_details_of_a_refusal_may_be_anything(more: Any, *, is_asked: bool) -> None:
    for code in ("RequestDisallowedByPolicy", "requestdisallowedbypolicy"):
        raw = json.dumps({"error": {"code": code, "message": "\x1b", "additionalInfo": more}}).encode()
        assert bool([*_demands(cast(Any, Answer(Reply(403, raw), "")))]) == is_asked
    for status, error in ((400, {"code": "RequestDisallowedByPolicy"}), (403, {"code": ["x"]}), (403, 7), (403, None)):
        raw = json.dumps({"error": error}).encode()
        assert not [*_demands(cast(Any, Answer(Reply(status, raw), "")))]
    for raw in (b"", b"[" * 100_000, b"null", b"\xff"):
        assert not [*_demands(cast(Any, Answer(Reply(403, raw), "")))]


async def test_a_code_without_end_is_cut_off(arm: ArmRest, cloud: Cloud) -> None:
    demand(cloud)
    cloud.arm.control._post_faults({"path": "acquirePolicyToken$", "status": 403, "code": "x" * 9999})
    with pytest.raises(Retryable) as caught:
        await arm.put(HERE, BODY)
    assert len(caught.value.message) < 200
