"""The documented form of notices: whatever the service can send has it, and nothing else has."""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, Registry

from guardrails.channels.webhook import signed
from guardrails.cli.notice_schema import MEANINGS, file_of, schemas
from guardrails.decisions.notify import outgoing
from guardrails.exemption.severity import Severity
from guardrails.notices.notice import NEXT, SERVICE, SEVERITIES, TITLES, Kind, Notice
from guardrails.ruleset.model import parse_ruleset

from .samples import AT, HOSTILE, finding, least, of_kind, row

FOLDER = Path(__file__).parents[2] / "docs" / "notices"


def stored(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return found


VALIDATORS = {
    kind: Draft202012Validator(stored(file_of(kind)), validate_formats=True, offline=True) for kind in Kind
}  # fmt: skip
REGISTRY = Registry((file_of(kind), stored(file_of(kind))) for kind in Kind)


def problems(kind: Kind, data: Mapping[str, Any]) -> list[str]:
    return [error.message[:300] for error in VALIDATORS[kind].iter_errors(data)]


def as_sent(notice: Notice) -> Any:
    """Return a notice as it is shown, once it came off the queue."""
    return Notice.from_json(json.loads(json.dumps(notice.to_json()))).current_json()


def as_received(notice: Notice) -> Any:
    """Return a notice as a webhook's receiver has it."""
    secret = "whsec_" + base64.b64encode(bytes(32)).decode()
    return json.loads(signed(notice, [secret], AT)[1])["data"]


def test_there_is_a_schema_a_kind_and_each_is_json_schema() -> None:
    assert {path.name for path in FOLDER.glob("*.schema.json")} == {file_of(kind) for kind in Kind} | {
        "notice.schema.json"
    }
    for name in schemas():
        Draft202012Validator(stored(name), registry=REGISTRY, offline=True)
    assert set(MEANINGS) == set(TITLES) == set(NEXT) == set(SEVERITIES) == set(Kind)


def _objects(schema: Any) -> list[Any]:
    if isinstance(schema, list):
        return [found for item in schema for found in _objects(item)]
    if not isinstance(schema, dict):
        return []
    return ([schema] if "properties" in schema else []) + [f for item in schema.values() for f in _objects(item)]


def test_every_object_is_closed() -> None:
    found = [schema for name in schemas() for schema in _objects(stored(name))]
    assert len(found) > 3 * len(Kind)
    assert all(schema["additionalProperties"] is False for schema in found)


@pytest.mark.parametrize("kind", Kind)
def test_every_notice_has_the_documented_form(kind: Kind) -> None:
    notice = of_kind(kind)
    assert notice.kind is kind
    assert problems(kind, as_sent(notice)) == []
    assert problems(kind, as_received(notice)) == []


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_strangers_write_does_not_change_the_form(kind: Kind, text: str) -> None:
    notice = of_kind(kind, tuple(finding(text, code=f"E{n}") for n in range(40)), text)
    assert problems(kind, as_sent(notice)) == []
    assert problems(kind, as_received(notice)) == []


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("known", [None, row(), row(expires_on=None)], ids=["nothing", "row", "row without expiry"])
def test_the_smallest_notice_has_the_form_too(kind: Kind, known: Any) -> None:
    assert problems(kind, as_sent(least(kind, known))) == []
    assert problems(kind, as_received(least(kind, known))) == []


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("severity", Severity)
def test_a_kind_has_one_of_its_severities_whatever_was_found(kind: Kind, severity: Severity) -> None:
    for notice in (of_kind(kind, (finding(severity=severity),)), of_kind(kind, ()), least(kind)):
        assert notice.severity in SEVERITIES[kind]
        assert problems(kind, as_sent(notice)) == []
    if kind in (Kind.VIOLATION, Kind.TAGGED, Kind.REVERTED, Kind.WOULD_REVERT):
        assert of_kind(kind, (finding(severity=severity),)).severity == severity


def test_another_form_is_refused() -> None:
    good = as_sent(of_kind(Kind.VIOLATION))
    one = good["findings"][0]
    for bad in (
        {**good, "extra": 1},
        {**good, "kind": "tagged"},
        {**good, "severity": "fatal"},
        {**good, "at": "2026-11-21 12:30"},
        {**good, "at": "2026-11-21T12:30:00+01:00"},
        {**good, "at": "2026-13-41T12:30:00Z"},
        {**good, "id": "a.b"},
        {**good, "exemption": {}},
        {**good, "exemption": {**good["exemption"], "scopeKind": "planet"}},
        {**good, "exemption": {**good["exemption"], "expiresOn": "soon"}},
        {**good, "findings": [{**one, "extra": 1}]},
        {**good, "findings": [{key: one[key] for key in one if key != "remediation"}]},
        {**good, "digest": {}},
        {key: good[key] for key in good if key != "next"},
    ):
        assert problems(Kind.VIOLATION, bad), bad
    assert problems(Kind.POISON, {**good, "kind": "poison"})  # about one exemption, where there must be none


def test_any_notice_fits_the_schema_of_all() -> None:
    whole = Draft202012Validator(stored("notice.schema.json"), registry=REGISTRY, offline=True)
    for kind in Kind:
        assert whole.is_valid(as_sent(of_kind(kind)))
    assert not whole.is_valid({**as_sent(of_kind(Kind.VIOLATION)), "kind": "other"})


@pytest.mark.parametrize("kind", Kind)
def test_a_notice_survives_its_queue(kind: Kind) -> None:
    """What a route is sent reads back as it was written."""
    ruleset = parse_ruleset(
        "version: 1\nmode: audit\nrules: {expired: alert}\n"
        "notices: [{route: all, channel: webhook, address_setting: A, secret_setting: S}]\n"
    )
    notice = of_kind(kind)
    (message,) = outgoing(notice, ruleset)
    back = Notice.from_json(json.loads(json.dumps(message.body))["notice"])
    assert as_sent(back) == as_sent(notice)
    assert (back.digest != {}) == (kind in (Kind.DIGEST, Kind.ADOPTED, Kind.BYPASS_FOUND))
    assert (back.exemption == {}) == (kind in SERVICE)


def test_a_notice_of_an_older_version_is_read() -> None:
    data = as_sent(of_kind(Kind.VIOLATION))
    assert "digest" not in data
    assert Notice.from_json(data) == replace(Notice.from_json(data), digest={})
