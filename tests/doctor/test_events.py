"""Event subscriptions: each subscription sends our functions what they must know."""

from typing import Any

import pytest

from guardrails.doctor.app import FunctionApp, function_of
from guardrails.doctor.model import State
from sandbox.arm.store import Entry

from .conftest import APP, SUBSCRIPTION, Clinic, event_subscription, onboard, states, topic_of

OTHER = "/subscriptions/22222222-2222-2222-2222-222222222222"
WRITTEN = f"{topic_of(SUBSCRIPTION)}/eventSubscriptions/on-exemption-written"


def entry(clinic: Clinic, identity: str = WRITTEN) -> Entry:
    found = clinic.cloud.arm.store.get(identity.lower())
    assert found is not None
    found.rendered.clear()
    return found


async def test_a_subscription_that_was_never_onboarded(clinic: Clinic) -> None:
    clinic.cloud.arm.add_subscription(OTHER.rpartition("/")[2], management_group="corp")
    result = await clinic.check("events")
    assert states(result) == {"": State.PASS, "2 management groups": State.PASS, OTHER: State.FAIL}
    assert result.findings[0].seen == "1 of 2 subscriptions send their events"
    assert result.detail.count("no event subscription sends events to it") == 3
    onboard(clinic.cloud, OTHER)
    assert (await clinic.check("events")).state is State.PASS


async def test_a_topic_of_something_else_does_not_count(clinic: Clinic) -> None:
    entry(clinic, topic_of(SUBSCRIPTION)).body["properties"]["topicType"] = "Microsoft.PolicyInsights.PolicyStates"
    assert states(await clinic.check("events"))[SUBSCRIPTION] is State.FAIL


SPOILT: list[tuple[dict[str, Any], str]] = [
    ({"provisioningState": "Failed"}, "its state is Failed"),
    ({"deadLetterWithResourceIdentity": None}, "it has no dead-letter destination"),
    ({"destination": {"endpointType": "WebHook", "properties": {}}}, "no event subscription sends events to it"),
    ({"destination": None}, "no event subscription sends events to it"),
    ({"filter": {}}, "no filter on data.operationName"),
    ({"filter": None}, "no filter on data.operationName"),
    (
        {"filter": {"includedEventTypes": ["Microsoft.Resources.ResourceDeleteSuccess"], "advancedFilters": "x"}},
        "it leaves out Microsoft.Resources.ResourceWriteSuccess, it has no filter",
    ),
    (
        {"filter": {"advancedFilters": [{"operatorType": "StringIn", "key": "data.operationName", "values": ["a"]}]}},
        "its filter leaves out Microsoft.Authorization/policyExemptions/write",
    ),
    (
        {"filter": {"advancedFilters": [{"operatorType": "StringContains", "key": "subject", "values": ["a"]}]}},
        "another filter, StringContains on subject",
    ),
    ({"filter": {"subjectEndsWith": "x", "advancedFilters": ["none"]}}, "it is filtered by subject"),
]


@pytest.mark.parametrize(("changes", "said"), SPOILT)
async def test_an_event_subscription_that_is_wrong(clinic: Clinic, changes: dict[str, Any], said: str) -> None:
    entry(clinic).body["properties"] |= changes
    result = await clinic.check("events")
    assert states(result)[SUBSCRIPTION] is State.FAIL
    assert said in result.detail
    assert "on_exemption_written: " in result.detail
    assert "on_exemption_deleted" not in result.detail
    assert "on_scope_changed" not in result.detail
    assert result.findings[-1].remediation.startswith("Onboard the subscription")


async def test_a_second_one_that_is_right_is_enough(clinic: Clinic) -> None:
    entry(clinic).body["properties"]["provisioningState"] = "Failed"
    clinic.cloud.arm.seed(
        f"{topic_of(SUBSCRIPTION)}/eventSubscriptions/again", event_subscription("on_exemption_written")
    )
    assert (await clinic.check("events")).state is State.PASS


async def test_casing_and_dead_letters_by_key_are_no_fault(clinic: Clinic) -> None:
    said = entry(clinic).body["properties"]
    said["deadLetterDestination"] = said.pop("deadLetterWithResourceIdentity")["deadLetterDestination"]
    said["destination"]["properties"]["resourceId"] = said["destination"]["properties"]["resourceId"].upper()
    said["filter"]["advancedFilters"][0]["values"] = ["MICROSOFT.AUTHORIZATION/POLICYEXEMPTIONS/WRITE"]
    assert (await clinic.check("events")).state is State.PASS


async def test_events_that_go_to_another_app(clinic: Clinic) -> None:
    clinic.environ["WEBSITE_SITE_NAME"] = "func-another"
    result = await clinic.check("events")
    assert states(result)[SUBSCRIPTION] is State.FAIL
    for name in ("WEBSITE_SITE_NAME", "WEBSITE_OWNER_NAME"):
        del clinic.environ[name]
    result = await clinic.check("events")
    assert states(result) == {"": State.UNKNOWN, "2 management groups": State.PASS}
    assert "--function-app" in result.findings[1].remediation
    assert (await clinic.check("events", app=APP)).state is State.PASS
    assert (await clinic.check("events", app=APP + "2")).state is State.FAIL


async def test_what_cannot_be_read_is_unknown(clinic: Clinic) -> None:
    clinic.cloud.arm.access.reset()
    clinic.grant("*", not_actions=("Microsoft.EventGrid/systemTopics/eventSubscriptions/read",))
    result = await clinic.check("events")
    assert states(result)[SUBSCRIPTION] is State.UNKNOWN
    assert "AuthorizationFailed" in result.detail


async def test_the_activity_log_is_named_where_it_is_on(clinic: Clinic) -> None:
    hub = {"GUARDRAILS_ACTIVITY_HUB": "activity", "GUARDRAILS_ACTIVITY_HUB_CONNECTION__fullyQualifiedNamespace": "x.y"}
    clinic.environ |= hub
    assert "the activity log in the hub activity" in (await clinic.check("events")).detail


def test_which_app_a_function_is_of() -> None:
    environ = {"WEBSITE_SITE_NAME": "Func", "WEBSITE_OWNER_NAME": "1111+rg-WestEuropewebspace"}
    app = FunctionApp.running(environ)
    assert app == FunctionApp("1111", "", "func")
    site = "/subscriptions/1111/resourceGroups/{}/providers/Microsoft.Web/sites/{}"
    assert app.owns(site.format("any", "func") + "/functions/f")
    assert not app.owns(site.format("any", "other") + "/functions/f")
    named = FunctionApp.parse(site.format("RG", "func"))
    assert named is not None
    assert named.owns(site.format("rg", "FUNC") + "/functions/F")
    assert not named.owns(site.format("another", "func") + "/functions/f")
    assert FunctionApp.parse(site.format("rg", "func") + "/functions/f") is None
    assert FunctionApp.running({"WEBSITE_SITE_NAME": "func", "WEBSITE_OWNER_NAME": "nonsense"}) is None
    assert FunctionApp.running({}) is None
    assert function_of(site.format("rg", "func") + "/functions/On_X") == "on_x"
    assert function_of("/subscriptions/1") == ""
