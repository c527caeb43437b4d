"""The version of an initiative that Azure evaluates, by what ARM says of it."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from guardrails.azure.arm import ArmRest
from guardrails.exemption.facts import Assignment, Grouping, Unread
from sandbox.arm.faults import Fault
from sandbox.cloud import Cloud
from tests.azure.conftest import MakeArm
from tests.azure.test_facts import fail, requests
from tests.clock import VirtualClock
from tests.sandbox.conftest import AUTH, CORP, SUBSCRIPTION

SET = f"{AUTH}/policySetDefinitions/benchmark"
OWN = f"{CORP}{AUTH}/policySetDefinitions/own"
PINNED = f"{SUBSCRIPTION}{AUTH}/policyAssignments/pinned"
POLICY = f"{AUTH}/policyDefinitions/tls"


def initiative(version: str, *references: str) -> dict[str, Any]:
    members = [{"policyDefinitionId": POLICY, "policyDefinitionReferenceId": one} for one in references]
    return {"properties": {"policyType": "BuiltIn", "version": version, "policyDefinitions": members}}


def publish(cloud: Cloud, **versions: tuple[str, ...]) -> None:
    """Make an initiative of these versions: v1_0_0=members. The last one is the latest."""
    for name, references in versions.items():
        number = name[1:].replace("_", ".")
        cloud.arm.seed(f"{SET}/versions/{number}", initiative(number, *references))
        cloud.arm.seed(SET, initiative(number, *references))


def pin(cloud: Cloud, pattern: str, definition: str = SET) -> None:
    cloud.arm.seed(PINNED, {"properties": {"policyDefinitionId": definition, "definitionVersion": pattern}})


def refuse_expand(cloud: Cloud) -> None:
    fail(cloud, "policyAssignments", 400, "InvalidExpand", query=r"\$expand")


def offer(cloud: Cloud, **versions: list[str]) -> None:
    """Make it a cloud that has these api-versions only."""
    cloud.arm.control._put_api_versions(versions)


async def members(arm: ArmRest) -> tuple[set[str] | str, str]:
    """Return the reference ids of the assignment, or why they are not known, and the version."""
    found = await arm.assignment(PINNED)
    assert isinstance(found, Assignment)
    return (found.members.reason if isinstance(found.members, Unread) else set(found.members)), found.version


@pytest.fixture
def benchmark(cloud: Cloud) -> Cloud:
    publish(cloud, v1_0_0=("public", "tls", "keys"), v1_1_0=("public", "tls"), v2_0_0=("public", "keys"))
    return cloud


async def test_the_pinned_version_is_read_not_the_latest(arm: ArmRest, benchmark: Cloud) -> None:
    pin(benchmark, "1.*.*")
    found = await arm.assignment(PINNED)
    assert isinstance(found, Assignment)
    assert (found.members, found.version) == ({"public": POLICY.lower(), "tls": POLICY.lower()}, "1.1.0")
    assert found.evidence == {"initiativeVersion": "1.1.0 (effectiveDefinitionVersion)"}
    assert requests(benchmark) == 3  # the assignment, the initiative, the version


async def test_a_pin_at_the_latest_costs_no_request_more(arm: ArmRest, benchmark: Cloud) -> None:
    pin(benchmark, "2.*.*")
    assert await members(arm) == ({"public", "keys"}, "2.0.0")
    assert requests(benchmark) == 2


async def test_assignments_share_what_was_read_of_their_initiative(arm: ArmRest, benchmark: Cloud) -> None:
    pin(benchmark, "1.*.*")
    await members(arm)
    other = benchmark.arm.seed(
        f"{CORP}{AUTH}/policyAssignments/other",
        {"properties": {"policyDefinitionId": SET.upper(), "definitionVersion": "1.1.0"}},
    )
    before = requests(benchmark)
    found = await arm.assignment(other)
    assert isinstance(found, Assignment)
    assert found.version == "1.1.0"
    assert requests(benchmark) == before + 1


async def test_azure_moves_the_pattern_to_a_new_version(arm: ArmRest, benchmark: Cloud, clock: VirtualClock) -> None:
    pin(benchmark, "1.*.*")
    await members(arm)
    benchmark.arm.seed(f"{SET}/versions/1.2.0", initiative("1.2.0", "public", "tls", "logs"))
    assert await members(arm) == ({"public", "tls"}, "1.1.0")
    fresh = await arm.assignment(PINNED, max_age=timedelta())
    assert isinstance(fresh, Assignment)
    assert (set(fresh.members or ()), fresh.version) == ({"public", "tls", "logs"}, "1.2.0")  # type: ignore[arg-type]
    benchmark.arm.seed(f"{SET}/versions/1.3.0", initiative("1.3.0", "public"))
    clock.advance(minutes=10)
    assert await members(arm) == ({"public"}, "1.3.0")


async def test_where_expand_is_refused_the_pin_is_resolved_against_all_versions(
    arm: ArmRest, benchmark: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    pin(benchmark, "1.*.*")
    refuse_expand(benchmark)
    with caplog.at_level(logging.WARNING, "guardrails"):
        assert await members(arm) == ({"public", "tls"}, "1.1.0")
        await arm.assignment(PINNED, max_age=timedelta())
    assert [one.levelname for one in caplog.records] == ["WARNING"]  # said once
    found = await arm.assignment(PINNED)
    assert isinstance(found, Assignment)
    assert found.version_found == "the newest that definitionVersion 1.*.* matches"


@pytest.mark.parametrize("status", [403, 404, 503])
async def test_it_is_unknown_only_where_that_fails_too(arm: ArmRest, benchmark: Cloud, status: int) -> None:
    pin(benchmark, "1.*.*")
    refuse_expand(benchmark)
    fail(benchmark, "/versions", status)
    found = await arm.assignment(PINNED)
    assert isinstance(found, Unread) or isinstance(found.members, Unread)  # type: ignore[union-attr]


async def test_a_version_that_has_disappeared_is_unknown(arm: ArmRest, benchmark: Cloud) -> None:
    pin(benchmark, "1.0.0")
    fail(benchmark, "/versions/1.0.0", 404, "ResourceNotFound")
    benchmark.arm.store.versions[SET.lower()].pop(f"{SET}/versions/1.0.0".lower())
    answer, version = await members(arm)
    assert version == "1.0.0"
    assert answer == "version 1.0.0 of the initiative, which the assignment evaluates, is not there any more"


async def test_a_pattern_that_nothing_matches_is_never_the_latest(arm: ArmRest, benchmark: Cloud) -> None:
    pin(benchmark, "7.*.*")
    answer, version = await members(arm)
    assert (answer, version) == ("no version of the initiative matches definitionVersion 7.*.*", "")


async def test_a_custom_initiative_has_one_version_whatever_the_pin_says(arm: ArmRest, benchmark: Cloud) -> None:
    body = initiative("", "public", "tls")
    del body["properties"]["policyType"], body["properties"]["version"]
    benchmark.arm.seed(OWN, body)
    pin(benchmark, "3.*.*", OWN)
    found, _ = await members(arm)
    assert found == {"public", "tls"}


async def test_a_cloud_that_lacks_the_api_version_is_asked_by_the_newest_that_it_names(
    benchmark: Cloud, make_arm: MakeArm, caplog: pytest.LogCaptureFixture
) -> None:
    pin(benchmark, "1.*.*")
    offer(benchmark, policyAssignments=["2021-06-01", "2024-05-01", "2024-04-01"], policySetDefinitions=["2023-04-01"])
    arm = make_arm()
    with caplog.at_level(logging.WARNING, "guardrails"):
        assert await members(arm) == ({"public", "tls"}, "1.1.0")
        await arm.assignment(PINNED, max_age=timedelta())
    assert len(caplog.records) == 2  # once for each type
    assert arm.policy_versions["policyAssignments"] == "2024-05-01"
    assert arm.policy_versions["policySetDefinitions"] == "2023-04-01"


async def test_what_an_old_api_version_cannot_say_is_unknown(benchmark: Cloud, make_arm: MakeArm) -> None:
    pin(benchmark, "1.*.*")
    offer(benchmark, policyAssignments=["2021-06-01", "2022-06-01"])
    answer, version = await members(make_arm())
    assert (answer, version) == ("its source does not show the version that the assignment evaluates", "")


async def test_the_api_version_is_a_setting(benchmark: Cloud, make_arm: MakeArm) -> None:
    pin(benchmark, "1.*.*")
    offer(benchmark, policyAssignments=["2024-05-01", "2025-11-01"], policySetDefinitions=["2024-05-01", "2025-11-01"])
    assert await members(make_arm(policy_version="2024-05-01")) == ({"public", "tls"}, "1.1.0")
    assert requests(benchmark) == 3


async def test_a_preview_is_not_the_release_of_the_same_number(arm: ArmRest, benchmark: Cloud) -> None:
    body = initiative("2.0.0-preview", "public", "tls", "old")
    benchmark.arm.seed(f"{SET}/versions/2.0.0-preview", body)
    pin(benchmark, "2.*.*-preview")
    assert await members(arm) == ({"public", "tls", "old"}, "2.0.0-preview")


async def test_the_resource_of_a_preview_may_lack_the_label(arm: ArmRest, benchmark: Cloud) -> None:
    benchmark.arm.seed(f"{SET}/versions/1.2.0", initiative("1.2.0-preview", "public", "new"))
    pin(benchmark, "1.2.0-preview")
    assert await members(arm) == ({"public", "new"}, "1.2.0-preview")


async def test_a_version_that_disappeared_since_it_was_kept_is_unknown_where_that_counts(
    arm: ArmRest, benchmark: Cloud
) -> None:
    pin(benchmark, "1.0.0")
    await members(arm)
    key = f"{SET}/versions/1.0.0".lower()
    benchmark.arm.store.versions[SET.lower()].pop(key)
    benchmark.arm.store.entries.pop(key, None)
    fresh = await arm.assignment(PINNED, max_age=timedelta())
    assert isinstance(fresh, Assignment)
    assert isinstance(fresh.members, Unread)
    assert fresh.members.reason.endswith("is not there any more")


async def test_an_old_api_version_gives_the_version_that_the_id_names(benchmark: Cloud, make_arm: MakeArm) -> None:
    benchmark.arm.seed(PINNED, {"properties": {"policyDefinitionId": f"{SET}/versions/1.1.0/"}})
    offer(benchmark, policyAssignments=["2021-06-01", "2022-06-01"])
    arm = make_arm()
    assert await members(arm) == ({"public", "tls"}, "1.1.0")
    found = await arm.assignment(PINNED)
    assert isinstance(found, Assignment)
    assert found.definition_id == SET


async def test_an_api_version_that_all_of_azure_lacks_is_refused_twice(
    benchmark: Cloud, make_arm: MakeArm, caplog: pytest.LogCaptureFixture
) -> None:
    pin(benchmark, "1.*.*")
    offer(benchmark, policyAssignments=["2021-06-01", "2024-05-01"])
    arm = make_arm(policy_version="2027-01-01")  # the first answer lists what any type has, the second what this one
    with caplog.at_level(logging.WARNING, "guardrails"):
        assert await members(arm) == ({"public", "tls"}, "1.1.0")
    assert arm.policy_versions["policyAssignments"] == "2024-05-01"
    assert len([one for one in caplog.records if "policyAssignments" in one.getMessage()]) == 1


@pytest.mark.parametrize(
    "message",
    [
        "Unsupported api-version '2025-03-01'. The supported api-versions are '2024-05-01, 2023-04-01'.",
        "UNSUPPORTED API-VERSION '2025-03-01'. SUPPORTED: \" 2024-05-01 \" , '2023-11-01-PREVIEW'",
    ],
)
async def test_the_api_version_that_is_refused_is_none_that_is_offered(
    arm: ArmRest, benchmark: Cloud, message: str
) -> None:
    pin(benchmark, "1.*.*")
    benchmark.arm.control._post_faults(
        {"path": "policyAssignments", "query": "=2025-03-01", "status": 400, "code": "UnsupportedApiVersion",
         "message": message}
    )  # fmt: skip
    assert await members(arm) == ({"public", "tls"}, "1.1.0")
    assert arm.policy_versions["policyAssignments"] == "2024-05-01"


@pytest.mark.parametrize("status", [400, 403, 429, 503])
async def test_an_expand_that_is_refused_once_leaves_no_wrong_version(
    arm: ArmRest, benchmark: Cloud, clock: VirtualClock, status: int
) -> None:
    pin(benchmark, "1.*.*")
    fail(benchmark, "policyAssignments", status, query=r"\$expand", count=1)
    found = await arm.assignment(PINNED)
    assert isinstance(found, Unread) or found.version == "1.1.0"  # type: ignore[union-attr]
    clock.advance(seconds=6)
    assert await members(arm) == ({"public", "tls"}, "1.1.0")


async def test_a_version_that_is_listed_and_cannot_be_read_is_unknown(arm: ArmRest, benchmark: Cloud) -> None:
    pin(benchmark, "1.*.*")
    refuse_expand(benchmark)
    benchmark.arm.store.entries[SET.lower()].body["properties"]["versions"] = ["2.0.0", "1.9.0", "1.1.0"]
    answer, version = await members(arm)
    assert (answer, version) == (
        "version 1.9.0 of the initiative, which the assignment evaluates, is not there any more", "1.9.0",
    )  # fmt: skip


OTHER_SET = f"{AUTH}/policySetDefinitions/another"


@pytest.mark.parametrize("path", ["policyAssignments/", "policySetDefinitions/[^/]+$", "/versions/1.1.0"])
async def test_an_answer_about_another_object_is_unknown(arm: ArmRest, benchmark: Cloud, path: str) -> None:
    pin(benchmark, "1.*.*")
    benchmark.arm.seed(OTHER_SET, initiative("1.1.0", "public"))
    benchmark.arm.seed(f"{OTHER_SET}/versions/1.1.0", initiative("1.1.0", "public"))
    instead = f"{OTHER_SET}/versions/1.1.0" if "versions" in path else OTHER_SET
    benchmark.arm.faults.rules.append(Fault(path=path, method="GET", instead=instead))
    found = await arm.assignment(PINNED)
    unread = found if isinstance(found, Unread) else found.members  # type: ignore[union-attr]
    assert isinstance(unread, Unread)
    assert "answered with another" in unread.reason


async def test_a_list_of_another_initiatives_versions_is_unknown(arm: ArmRest, benchmark: Cloud) -> None:
    pin(benchmark, "1.*.*")
    fail(benchmark, "benchmark/versions/1.1.0", 404, "ResourceNotFound")
    for number in ("1.1.0", "1.9.0"):
        benchmark.arm.seed(f"{OTHER_SET}/versions/{number}", initiative(number, "public"))
    benchmark.arm.seed(OTHER_SET, initiative("1.9.0", "public"))
    benchmark.arm.faults.rules.append(Fault(path="benchmark/versions$", method="GET", instead=f"{OTHER_SET}/versions"))
    said, _ = await members(arm)
    assert "another initiative" in said


@pytest.mark.parametrize(
    "definition",
    [
        f"{AUTH}/policySetDefinitions/..", f"{AUTH}/policySetDefinitions/x/../benchmark",
        f"{AUTH}/policySetDefinitions/%2e%2e", f"{AUTH}/policySetDefinitions/a/b/c", f"/policySetDefinitions/{'x' * 9}",
        f"{AUTH}/policySetDefinitions/\ud800", f"{AUTH}/policySetDefinitions/a\nb",
    ],
)  # fmt: skip
async def test_the_id_of_an_initiative_that_leads_elsewhere_is_not_asked_for(
    arm: ArmRest, benchmark: Cloud, definition: str
) -> None:
    pin(benchmark, "1.*.*", definition)
    before = requests(benchmark)
    said, _ = await members(arm)
    assert isinstance(said, str)
    assert requests(benchmark) == before + 1


@pytest.mark.parametrize("text", ["", "/", "..", "\ud800", f"{PINNED}/..", SET, f"{PINNED}\0", f"{PINNED}/a/b"])
async def test_an_id_that_names_no_assignment_is_not_asked_for(arm: ArmRest, benchmark: Cloud, text: str) -> None:
    assert isinstance(await arm.assignment(text), Unread)
    assert requests(benchmark) == 0


async def test_the_groups_are_those_of_the_version_that_is_evaluated(arm: ArmRest, benchmark: Cloud) -> None:
    pin(benchmark, "1.*.*")
    for version, group in (("/versions/1.1.0", "then"), ("", "now")):
        said = benchmark.arm.store.entries[(SET + version).lower()].body["properties"]
        said["policyDefinitions"][0]["groupNames"] = [group]
    found = await arm.assignment(PINNED)
    assert isinstance(found, Assignment)
    assert found.grouping == Grouping({"public": ("then",)})
    assert requests(benchmark) == 3
