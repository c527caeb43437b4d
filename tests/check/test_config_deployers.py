"""What `.exg-check.yaml` says of deployers of exemption files, for each path."""

import json
from typing import Any

import pytest

from tests.azpolicyfactory.samples import CORP, config

from .conftest import Check, Write

ENTRY: dict[str, Any] = {
    "name": "drop", "displayName": "Partner drop", "exemptionCategory": "Waiver", "scope": "/subscriptions/S",
    "policyAssignmentId": f"{CORP}/providers/Microsoft.Authorization/policyAssignments/net",
    "expiresOn": "12/3/2099 04:00",
}  # fmt: skip
SETTINGS = {
    "pacOwnerId": "owner", "pacEnvironments": [{
        "pacSelector": "blue", "tenantId": "T", "deploymentRootScope": CORP, "desiredState": {"strategy": "full"},
    }],
}  # fmt: skip


def rows(**more: str) -> str:
    said = {**ENTRY, **more}
    return f"{','.join(said)}\n{','.join(said.values())}\n"


@pytest.fixture
def epac(write: Write) -> None:
    write("eu/policyExemptions/x/a.csv", rows())
    write("us/policyExemptions/x/a.csv", rows())
    write("settings/mine.jsonc", SETTINGS)


def ends(ran: Any) -> dict[str, str | None]:
    return {one["path"]: (one["properties"] or {}).get("expiresOn") for one in json.loads(ran.out)["exemptions"]}


def messages(ran: Any) -> list[str]:
    return [f"{one['path']}: {one['message']}" for one in json.loads(ran.out)["errors"]]


@pytest.mark.usefixtures("epac")
def test_the_runner_settings_and_environment_are_those_of_the_path(write: Write, check: Check) -> None:
    write(".exg-check.yaml", (
        "version: 1\nepac_settings: settings/mine.jsonc\npac_selector: blue\n"
        "paths:\n"
        "  'eu/**': {time_zone: Europe/Berlin, culture: de-DE}\n"
        "  'us/**': {time_zone: UTC, culture: en-US, epac_switch: [BuildExemptionsOnly]}\n"
    ))  # fmt: skip
    ran = check(place=False)
    assert messages(ran) == []
    assert not any("global-settings.jsonc is not found" in one for one in json.loads(ran.out)["notes"])
    assert ends(ran)["us/policyExemptions/x/a.csv"] == "2099-12-03T04:00:00Z"
    assert ends(ran)["eu/policyExemptions/x/a.csv"] != ends(ran)["us/policyExemptions/x/a.csv"]


@pytest.mark.usefixtures("epac")
def test_an_option_of_the_command_line_goes_before_it(write: Write, check: Check) -> None:
    write(".exg-check.yaml", "version: 1\npac_selector: green\nepac_settings: settings/mine.jsonc\nculture: de-DE\n")
    assert any("no environment is called 'green'" in one for one in messages(check(place=False)))
    ran = check("--pac-selector", "blue", "--time-zone", "UTC", "--culture", "en-US", place=False)
    assert messages(ran) == []
    assert ends(ran)["us/policyExemptions/x/a.csv"] == "2099-12-03T04:00:00Z"


@pytest.mark.usefixtures("epac")
def test_what_makes_no_sense_is_a_line_and_the_rest_counts(write: Write, check: Check) -> None:
    write(".exg-check.yaml", (
        "version: 1\nepac_settings: settings/mine.jsonc\npac_selector: blue\n"
        "time_zone: Mars/Base\nculture: en-US\nepac_switch: [FailOnExemptionErorr]\n"
    ))  # fmt: skip
    ran = check(place=False)
    assert ran.code == 2
    zone = (
        "'Mars/Base' is no IANA time zone, such as UTC or Europe/Berlin. Give a name such as UTC or America/New_York."
    )
    switch = "'FailOnExemptionErorr' is none that matters to exemptions. Did you mean failonexemptionerror?"
    assert {*messages(ran)} == {f".exg-check.yaml: time_zone: {zone}", f".exg-check.yaml: epac_switch: {switch}"}
    assert len(ends(ran)) == 2


def test_it_leads_to_no_file_outside_of_the_repository(write: Write, check: Check) -> None:
    write("policyExemptions/x/a.csv", rows())
    write(".exg-check.yaml", "version: 1\nepac_settings: ../../etc/passwd\n")
    assert any("outside of the repository" in one for one in messages(check(place=False)))


def test_a_time_zone_decides_whether_azpolicyfactory_sends_an_exemption(write: Write, check: Check) -> None:
    write("policyExemptions/dev/a.json", config(expiresOn="2026-11-28T01:00:00+05:00"))

    def build(zone: str) -> str | None:
        write(".exg-check.yaml", f"version: 1\n{zone}")
        ran = check("--deploy-to", CORP, place=False)
        said: str | None = json.loads(ran.out)["deployments"][0]["files"][0]["build"]
        assert messages(ran) == (
            [".exg-check.yaml: time_zone: 'Mars/Base' is no IANA time zone, such as UTC or Europe/Berlin"]
            if "Mars" in zone
            else []
        )
        return said

    assert (build("time_zone: UTC\n"), build("time_zone: Asia/Karachi\n")) == ("expired", "kept")
    assert build("time_zone: Mars/Base\n") == build("") is None
