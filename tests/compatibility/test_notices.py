"""Webhooks and events have what those of the version before had, by the same names, and those of today beside it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from guardrails.channels.eventgrid import event
from guardrails.channels.webhook import MAX_BYTES, OLD_NAMES, OLD_VALUES, body
from guardrails.notices.notice import Kind, Notice

from .conftest import recorded

SENT = recorded("webhooks.json")


def contains(new: Any, old: Any, at: str = "") -> list[str]:
    """Return where something of the old is missing or another in the new."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return [what for key in old for what in contains(new.get(key), old[key], f"{at}.{key}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [what for one, other in zip(new, old, strict=True) for what in contains(one, other, f"{at}[]")]
    return [] if old == new else [f"{at}: {old!r} became {new!r}"]


@pytest.mark.parametrize("sent", SENT, ids=[one["notice"]["kind"] for one in SENT])
def test_all_of_before_is_there_and_the_names_of_today_say_the_same(sent: Mapping[str, Any]) -> None:
    notice = Notice.from_json(sent["notice"])
    now = json.loads(body(notice))
    assert contains(now, sent["body"]) == []
    data = now["data"]
    assert next(iter(data.items())) == ("schema_version", 2)
    assert event(notice)["data"] == data
    for finding in data["findings"]:
        assert finding["remediation"] == finding["mend"]  # stored name
    if notice.kind is Kind.BYPASS_FOUND:
        assert data["digest"]["bypasses"] == data["digest"]["ways"]  # stored name
        assert all(one["evidence"]["kind"] == one["evidence"]["way"] for one in data["findings"])  # stored name


def test_there_is_a_notice_for_each_old_name() -> None:
    assert {one["notice"]["kind"] for one in SENT} >= {"bypass-found", "violation", "reverted"}
    assert {place.partition(".")[0] for place in OLD_NAMES} == {"findings", "digest", "truncated"}


@pytest.mark.parametrize("characters", [0, 100, 300, 600, 1000, 2000])
@pytest.mark.parametrize("findings", [1, 10, 60, 300])
def test_both_names_fit_and_what_is_left_out_is_named_twice(findings: int, characters: int) -> None:
    notice = Notice.from_json(SENT[0]["notice"])
    one = {**notice.findings[0], "remediation": "ä" * characters, "text": "x" * characters}
    sent = body(replace(notice, findings=(one,) * findings))
    assert len(sent) <= MAX_BYTES
    data = json.loads(sent)["data"]
    steps = data.get("truncated", [])
    (names,) = OLD_VALUES.values()
    assert data.get("shed", []) == [names.get(step, step) for step in steps]  # stored name
    assert ("remediation" in steps) == (
        not any(finding["remediation"] for finding in data["findings"])
    ) or not characters


def test_where_both_names_do_not_fit_what_the_old_ones_hold_goes_first() -> None:
    notice = Notice.from_json(SENT[0]["notice"])
    one = {**notice.findings[0], "remediation": "x" * 300}
    kept = [json.loads(body(replace(notice, findings=(one,) * count)))["data"]["findings"] for count in range(1, 60)]
    blank = next(count for count, findings in enumerate(kept) if not findings[0]["mend"])  # stored name
    assert blank > 5
    evidence = {name: value for name, value in kept[0][0]["evidence"].items() if name != "way"}  # stored name
    assert kept[blank][0] == {**kept[0][0], "evidence": evidence, "mend": ""}, "all else is there"  # stored name


def test_a_body_that_is_small_is_whole() -> None:
    """The names of before cost no detail where there is room: each notice of before is sent with all of it."""
    for sent in SENT:
        data = json.loads(body(Notice.from_json(sent["notice"])))["data"]
        assert "truncated" not in data
        assert len(data["findings"]) == data["findingsTotal"]
