"""Rows as JSON: everything comes back as it was, whatever it holds; what is no row is refused."""

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from guardrails import dataclass
from guardrails.decisions.baseline import Baseline, Former
from guardrails.decisions.grace import Period
from guardrails.decisions.row import Hold, Intent, Row, Status
from guardrails.notices.notice import Kind
from tests.decisions.situations import NOW, row

TEXT = some.text(max_size=20)
FIRST, LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
TICK = timedelta(microseconds=1)
TIME = some.integers(0, (LAST - FIRST) // TICK).map(lambda ticks: FIRST + ticks * TICK)  # datetimes() is slow
JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | TEXT,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
INTENT = some.builds(
    Intent,
    some.sampled_from(["delete", "put-back", "tag", "untag", "restore"]),
    TEXT,
    TEXT,
    TIME,
    some.none() | some.integers(1, 99),
    some.none() | some.dictionaries(TEXT, JSON, max_size=3),
)
LENGTH = some.integers(0, 10**7).map(lambda seconds: timedelta(seconds=seconds))
PERIOD = some.builds(
    Period,
    TIME,
    some.none() | TIME,
    some.lists(TEXT, max_size=3).map(tuple),
    LENGTH,
    some.dictionaries(TEXT, LENGTH, max_size=3),
    some.booleans(),
    some.lists(TEXT, max_size=3).map(tuple),
)
DATES = some.lists(some.tuples(TIME, some.none() | TIME), max_size=3).map(tuple)
BASELINE = some.builds(Baseline, some.none() | TIME, some.none() | TIME, TIME, some.lists(TEXT, max_size=3).map(tuple))
FORMER = some.builds(Former, TEXT, TIME, some.none() | BASELINE, DATES)
HOLD = some.builds(Hold, TEXT, TEXT, TIME, TIME, TEXT, some.integers(0, 10_080))
OF_TYPE: dict[str, some.SearchStrategy[Any]] = {
    "str": TEXT,
    "int": some.integers(0, 10**6),
    "bool": some.booleans(),
    "int | None": some.none() | some.integers(1, 10**6),
    "datetime | None": some.none() | TIME,
    "Intent | None": some.none() | INTENT,
    "tuple[int, ...] | None": some.none() | some.lists(some.integers(1, 99), max_size=4).map(tuple),
    "Hold | None": some.none() | HOLD,
    "tuple[str, ...]": some.lists(TEXT, max_size=4).map(tuple),
    "tuple[datetime, ...]": some.lists(TIME, max_size=3).map(tuple),
    "tuple[tuple[datetime, datetime | None], ...]": DATES,
    "GraceUse": some.lists(PERIOD, max_size=3).map(tuple),
    "Baseline | None": some.none() | BASELINE,
    "tuple[Former, ...]": some.lists(FORMER, max_size=2).map(tuple),
    "Mapping[str, datetime]": some.dictionaries(TEXT, TIME, max_size=4),
    "Mapping[str, typing.Any]": some.dictionaries(TEXT, JSON, max_size=3),
}


def type_name(annotation: Any) -> str:
    name = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    text = str(annotation) if "|" in str(annotation) or "[" in str(annotation) else name
    for prefix in ("collections.abc.", "datetime.", "guardrails.decisions.row.", "guardrails.decisions.baseline."):
        text = text.replace(prefix, "")
    return text


NEEDED = {"id": some.text(min_size=1, max_size=20), "status": some.sampled_from(Status), "since": TIME}
ROWS = some.fixed_dictionaries(
    NEEDED, optional={f.name: OF_TYPE[type_name(f.type)] for f in fields(Row) if f.name not in NEEDED}
).map(lambda values: Row(**values))


@given(ROWS)
def test_a_row_survives_json(known: Row) -> None:
    assert Row.from_json(json.loads(json.dumps(known.to_json()))) == known


@given(ROWS)
def test_a_copy_is_what_dataclasses_would_make_of_it(known: Row) -> None:
    before = vars(known).copy()
    assert dataclass.replace(known, owner="anna", due=None) == replace(known, owner="anna", due=None)
    assert vars(known) == before


def test_a_copy_with_a_field_that_a_row_does_not_have_is_refused() -> None:
    with pytest.raises(TypeError, match="invented"):
        dataclass.replace(row(), invented=1)  # type: ignore[call-arg]


def test_what_is_left_out_is_the_default() -> None:
    bare = Row("/x", Status.COMPLIANT, NOW)
    assert bare.to_json() == {"id": "/x", "status": "compliant", "since": "2026-11-21T12:00:00Z", "bodies": []}
    assert Row.from_json(bare.to_json()) == bare


def test_fields_of_a_newer_version_are_ignored() -> None:
    known = row(owner="anna")
    assert Row.from_json({**known.to_json(), "invented": {"later": 1}}) == known


def test_only_a_row_of_before_has_a_period_by_its_findings() -> None:
    waits = row(status=Status.VIOLATION, findings={"EXG201": NOW}, due=NOW + timedelta(hours=1), author="alice")
    assert [(one.start, one.longest) for one in replace(waits, vouched=False).grace_use] == [(NOW, timedelta(hours=1))]
    assert replace(waits, vouched=True).grace_use == ()


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"id": "/x"},
        {"id": "/x", "status": "fine", "since": "2026-11-21"},
        {"id": "", "status": "gone", "since": "2026-11-21"},
        {"id": "/x", "status": "gone", "since": None},
        {"id": "/x", "status": "gone", "since": "some day"},
        {"id": "/x", "status": "gone", "since": "2026-11-21", "findings": []},
        {"id": "/x", "status": "gone", "since": "2026-11-21", "paused": []},
        {"id": "/x", "status": "gone", "since": "2026-11-21", "grace": [[]]},
        {"id": "/x", "status": "gone", "since": "2026-11-21", "grace": [["x", None, [], 0, {}, False, []]]},
        {"id": "/x", "status": "gone", "since": "2026-11-21", "grace": [[None, None, [], 0, {}, False, []]]},
        {"id": "/x", "status": "gone", "since": "2026-11-21", "baseline": [None, None, None, []]},
        {"id": "/x", "status": "gone", "since": "2026-11-21", "former": [["a"]]},
        {"id": "/x", "status": "gone", "since": "2026-11-21", "intent": {"action": "delete"}},
        {"id": "/x", "status": "gone", "since": "2026-11-21", "intent": {"at": "2026-11-21", "unheard": 1}},
    ],
    ids=str,
)
def test_what_is_no_row_is_refused(broken: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Row.from_json(broken)


@pytest.mark.parametrize(
    ("status", "findings", "unclear"),
    [
        (Status.COMPLIANT, {}, False),
        (Status.VIOLATION, {"EXG101": NOW}, False),
        (Status.VIOLATION, {"EXG101": NOW, "EXG302?": NOW}, True),
        (Status.UNKNOWN, {}, True),
    ],
)
def test_when_a_row_is_unclear(status: Status, findings: dict[str, datetime], unclear: bool) -> None:
    assert replace(row(findings=findings), status=status).unclear is unclear


def test_every_kind_of_notice_has_words() -> None:
    from guardrails.notices.notice import NEXT, TITLES  # noqa: PLC0415

    assert set(TITLES) == set(NEXT) == set(Kind)
