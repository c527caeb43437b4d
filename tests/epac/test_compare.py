"""The model of EPAC's compare and of its runs says what EPAC's own planner said."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from guardrails.exemption.model import Exemption
from sandbox import tenant
from tests.epac.recorded import OWN, PLACES, Case, cases, forms, runs_with_files, said_of, sources
from tests.epac.states import NOW, STATES, ZONES, rows_of, runs, state_of
from tests.peers import _wanted_end, epac, epac_is_over

ALL = [
    pytest.param(one, id=f"{path.parent.name}-{one.name}") for path in sources("compare.json") for one in cases(path)
]


@pytest.mark.parametrize("case", ALL)
def test_a_difference_is_what_the_planner_says_it_is_in_each_time_zone(case: Case) -> None:
    assert {zone: said_of(case, case.live, zone) for zone in case.answers} == case.answers


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_no_case_is_left_out(place: Path) -> None:
    found = {case.name for case in cases(place / "compare.json")}
    assert len(found) >= (50 if place == OWN else 114)


@pytest.mark.parametrize("path", sources("lifecycle.json"), ids=lambda path: path.parent.name)
def test_a_run_does_with_each_exemption_what_the_planner_does(path: Path) -> None:
    rows = rows_of(path)
    assert len(rows) == 64
    assert {state_of(row) for row in rows} == set(STATES)
    for row in rows:
        assert runs(row) == [row["action"], row["counted_unchanged"], set(row.get("because", []))], row


NOT_MODELLED = {
    "json-hidden-file", "wildcard-nothing", "wildcard-star-nothing", "wildcard-nothing-own-deployed",
    "scope-with-prefix-own-deployed",  # which entries EPAC reads, and which scopes they name
    "resource-missing-live-changed", "other-tenant",
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_runs_with_other_files_and_settings(place: Path) -> None:
    found = list(runs_with_files(place, NOW))
    other = {one.name for one in found if one.said != one.recorded}
    assert other == (set() if place == OWN else NOT_MODELLED)
    assert len(found) - len(other) >= (10 if place == OWN else 17)


WORDED = re.compile(r"[A-Z][a-z]{2,8} .*|[A-Z][a-z]{2}, .* GMT|/Date\(\d+\)/")
"""Ends that the model does not read."""


@pytest.mark.parametrize("path", sources("date-forms.json"), ids=lambda path: path.parent.name)
def test_an_end_in_a_file_is_what_the_planner_makes_of_it(path: Path) -> None:
    found = forms(path)
    assert sum(bool(form.sent) for form in found) >= 9
    for form in found:
        if form.refused:
            with pytest.raises((AssertionError, AttributeError, ValueError)):
                epac_is_over({"expiresOn": form.text}, NOW)
        elif form.sent and not WORDED.fullmatch(form.text):
            for zone in ZONES:
                settles = zone not in form.never_settles and (zone == "UTC" or not form.never_settles)
                said = epac({"properties": {"expiresOn": form.sent}}, {"expiresOn": form.text}, ZoneInfo(zone))
                assert ("expiresOn" not in said) is settles, (form, zone)


@pytest.mark.parametrize("path", sources("date-forms.json"), ids=lambda path: path.parent.name)
def test_what_is_sent_as_an_end_we_read_to_the_same_second(path: Path) -> None:
    for form in forms(path):
        if form.sent:
            place, assigned = tenant.exemption_id(tenant.RESOURCE, "drop"), {"policyAssignmentId": tenant.ASSIGNMENT}
            one = Exemption.from_arm({"id": place, "properties": {**assigned, "expiresOn": form.sent}})
            moment, _ = _wanted_end(form.sent, UTC) or (None, 0)
            assert one.expires_on
            assert one.expires_on.replace(tzinfo=None, microsecond=0) == moment, form


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize("ahead", [3, -3])
@pytest.mark.parametrize("offset", ["Z", "+00:00"])
def test_the_end_in_a_file_with_an_offset_is_taken_for_local_time(zone: str, ahead: int, offset: str) -> None:
    now = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
    end = (now + timedelta(hours=ahead)).isoformat().replace("+00:00", offset)
    shift = now.astimezone(ZoneInfo(zone)).utcoffset() if offset != "Z" else timedelta()
    assert shift is not None
    assert epac_is_over({"expiresOn": end}, now, ZoneInfo(zone)) is (timedelta(hours=ahead) + shift <= timedelta())


@pytest.mark.parametrize("path", sources("lifecycle.json"), ids=lambda path: path.parent.name)
def test_what_the_planner_said_of_such_ends(path: Path) -> None:
    now = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
    for row in json.loads(path.read_text(encoding="utf-8"))["expiry_and_the_time_zone_of_the_runner"]:
        ahead = 3 if "from now" in row["file_expiresOn"] else -3
        offset = row["file_expiresOn"].rpartition(" ")[2]
        end = (now + timedelta(hours=ahead)).isoformat().replace("+00:00", offset)
        over = epac_is_over({"expiresOn": end}, now, ZoneInfo(row["timeZone"]))
        assert over is (row["action"] == "left out as expired"), row
