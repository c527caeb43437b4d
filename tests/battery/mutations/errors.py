"""Refusals of Azure, and answers that break off: the fixes, each taken away."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from guardrails.decisions.row import Row
from guardrails.errors import Permanent
from guardrails.exemption.exemption_id import ExemptionId
from tests.battery.mutations.base import Mutation, around, instead, mutation

_TESTS: Final = "tests/reconcile/test_blocked.py::"
_NEVER: Final = datetime(9999, 12, 31, tzinfo=UTC)


def _whatever_it_says(old: Any, visit: Any, same: Row | None, content: str, now: datetime) -> Any:
    return old(visit, same, same.content if same else content, now)


class _Strict:
    """A port for Azure that takes an answer which breaks off for an error that stays."""

    def __init__(self, arm: Any) -> None:
        self._arm = arm

    def __getattr__(self, name: str) -> Any:
        return getattr(self._arm, name)

    async def put(self, exemption: ExemptionId, body: Mapping[str, Any]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = await self._arm.put(exemption, body)
        if not found:
            raise Permanent("an exemption is a JSON object", code="not-an-exemption", subject=exemption.text)
        return found


def _known_alone(old: Any, visit: Any, same: Row | None, *rest: Any) -> Any:
    if same is not None and same.blocked and same.retry_on is None and visit.hint.source != "operator":
        return same.blocked, None
    return old(visit, same, *rest)


MUTATIONS: Final[tuple[Mutation, ...]] = (
    mutation(
        "any-refusal-is-final",
        "Only errors of a documented set make cannot-act; every other one is tried again with delays.",
        "tests/reconcile/test_may_pass.py::test_a_single_refusal_that_is_in_no_list_is_tried_again_and_nobody_hears_of_it",
        instead("guardrails.azure.rest.is_refusal", lambda status, _: status >= 400),
    ),
    mutation(
        "refused-for-ever",
        "What Azure did not allow is tried again after a day, then weekly.",
        _TESTS + "test_it_is_tried_after_a_day_then_weekly_and_notified_once",
        instead("guardrails.reconcile.act.refused_until", lambda *_: _NEVER),
        instead("guardrails.reconcile.visit.refused_until", lambda *_: _NEVER),
    ),
    mutation(
        "refused-whatever-is-written",
        "What Azure did not allow is tried again at once when the exemption changes.",
        _TESTS + "test_it_is_tried_again_when_the_exemption_changes",
        around("guardrails.reconcile.visit.Visit._blocked", _whatever_it_says),
    ),
    mutation(
        "refusal-notified-each-time",
        "That Azure does not allow it is notified once, however often it is tried.",
        _TESTS + "test_it_is_tried_after_a_day_then_weekly_and_notified_once",
        around("guardrails.decisions.next_row._refused", lambda *_: 0),
    ),
    mutation(
        "broken-answer-is-a-dead-letter",
        "A write whose answer breaks off is settled by looking again.",
        "tests/reconcile/test_may_pass.py::test_an_answer_that_breaks_off_is_settled_by_looking",
        around("guardrails.reconcile.azure_write._put", lambda old, arm, *rest: old(_Strict(arm), *rest)),
    ),
    mutation(
        "refused-before-for-ever",
        "A row of before that says cannot-act is taken up by a sweep.",
        _TESTS + "test_a_row_of_before_waits_a_day_from_now_then_a_week",
        instead("guardrails.decisions.watch.Watch._replace", lambda watch, **_: watch),
        around("guardrails.reconcile.visit.Visit._blocked", _known_alone),
    ),
)
