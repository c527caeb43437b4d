"""The id that is asked for, the answer, and the row: the fixes that keep them one object, each taken away."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final

from guardrails.decisions.row import Stored
from guardrails.errors import Permanent
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.facts import Gone, Unread
from guardrails.exemption.model import Exemption
from tests.battery.mutations.base import Mutation, around, instead, mutation

_TESTS: Final = "tests/reconcile/test_other_object.py::"


def _as_given(text: str) -> str:
    return "/" + text.strip("/ ")


async def _at_once(_: Any, visit: Any) -> tuple[Stored | None, Exemption | Gone | Unread]:
    """Read the register and Azure at the same time: the register's answer may be the later one."""
    seen = asyncio.ensure_future(visit._seen())
    stored, found = await asyncio.gather(visit.world.register.read(visit.id), seen)
    return stored, found


async def _row_of_anything(_: Any, visit: Any, seen: Gone | Unread) -> Any:
    from guardrails.reconcile import reconcile  # noqa: PLC0415

    return await reconcile._absent(visit, None, seen)


def _whatever_it_names(old: Any, place: Any, text: object) -> Any:
    try:
        return ExemptionId.parse(text)
    except Permanent:
        return old(place, text)


async def _always(*_: Any) -> bool:
    return True


async def _never(*_: Any) -> bool:
    return False


async def _nothing_accepted(*_: Any) -> None:
    """Return None."""


def _in_ascii(_: Any, method: str, url: str, body: Mapping[str, Any]) -> Any:
    from azure.core.rest import HttpRequest  # noqa: PLC0415

    return HttpRequest(method, url, content=json.dumps(body).encode(), headers={"Content-Type": "application/json"})


async def _surrogate_raises(old: Any, policies: Any, kind: str, path: str, **more: Any) -> Any:
    path.encode()  # as an address of a request
    return await old(policies, kind, path, **more)


MUTATIONS: Final[tuple[Mutation, ...]] = (
    mutation(
        "ids-as-given",
        "An id that may lead to another object is refused before anything is asked.",
        _TESTS + "test_a_forged_id_touches_no_exemption",
        instead("guardrails.exemption.exemption_id.resource_id", _as_given),
    ),
    mutation(
        "characters-that-look-alike",
        "Characters that merely share a lower case, as the sign of Kelvin and k, name two objects.",
        _TESTS + "test_a_name_that_looks_like_another_takes_nothing_of_it",
        instead("guardrails.exemption.exemption_id.folded", str.lower),
    ),
    mutation(
        "answers-about-anything",
        "What Azure answers counts only if it is the object that was asked for.",
        _TESTS + "test_an_answer_with_another_exemption_decides_nothing",
        instead("guardrails.azure.rest.is_same", lambda *_: True),
    ),
    mutation(
        "assignment-ids-as-given",
        "The id of an assignment that cannot name one object is Unread, and asks for nothing.",
        _TESTS + "test_an_assignment_id_that_leads_elsewhere_is_unread_and_asks_for_nothing_else",
        instead("guardrails.azure.policies.resource_id", _as_given),
        around("guardrails.azure.policies.Policies._get", _surrogate_raises),
    ),
    mutation(
        "read-at-once",
        "The register is read before Azure: its answer is never later than Azure's.",
        _TESTS + "test_an_accepted_delete_while_another_worker_looks_is_kept",
        around("guardrails.reconcile.visit.Visit.observe", _at_once),
        around("guardrails.reconcile.restore_lost._accepted_before", _nothing_accepted),
    ),
    mutation(
        "gone-not-asked-again",
        "Where Azure shows what the register knows to be gone, Azure is asked again.",
        _TESTS + "test_an_azure_that_is_behind_does_not_undo_an_accepted_delete",
        instead("guardrails.reconcile.visit._went", lambda *_: False),
        around("guardrails.reconcile.restore_lost._accepted_before", _nothing_accepted),
    ),
    mutation(
        "accepted-delete-forgotten",
        "A delete that was accepted stays accepted, though Azure showed the exemption once more.",
        _TESTS + "test_an_azure_that_is_behind_does_not_undo_an_accepted_delete",
        around("guardrails.reconcile.restore_lost._accepted_before", _nothing_accepted),
    ),
    mutation(
        "forged-ids-leave-rows",
        "An id that names nothing leaves no row.",
        _TESTS + "test_ids_of_what_there_is_not_leave_nothing",
        around("guardrails.reconcile.reconcile._never_known", _row_of_anything),
    ),
    mutation(
        "unread-ids-without-bound",
        "Ids that cannot be read leave a limited number of rows.",
        _TESTS + "test_ids_that_cannot_be_read_leave_a_limited_number_of_rows",
        around("guardrails.register.unseen.Unseen.take", _always),
    ),
    mutation(
        "dead-letters-without-bound",
        "Of what strangers send a limited number of dead letters is kept.",
        "tests/intake/test_events.py::test_of_what_strangers_send_a_limited_number_is_kept",
        around("guardrails.register.dead_letters.DeadLetters._is_full", _never),
    ),
    mutation(
        "rows-of-another",
        "A column that names another exemption than its key does is not believed.",
        _TESTS + "test_a_column_that_names_another_exemption_has_that_one_left_alone",
        around("guardrails.register.table_register._named", _whatever_it_names),
    ),
    mutation(
        "large-bodies-refused",
        "Metadata of almost 4 MiB are judged and kept, in rows of their own where one transaction is too small.",
        _TESTS + "test_metadata_of_almost_four_megabytes_is_judged_answered_and_notified",
        instead("guardrails.register.table_register.MOST_BYTES", 1 << 40),
    ),
    mutation(
        "bodies-in-ascii",
        "Bodies are sent in UTF-8: in ASCII, what Azure took would be too long for it.",
        _TESTS + "test_metadata_of_almost_four_megabytes_is_judged_answered_and_notified",
        around("guardrails.azure.rest._written", _in_ascii),
    ),
    mutation(
        "raw-text-in-the-log",
        "What strangers wrote is in the log on one line, escaped.",
        _TESTS + "test_a_forged_id_touches_no_exemption",
        instead("guardrails.errors.plain", lambda text: text),
        instead("guardrails.runtime.telemetry.plain", lambda text: text),
    ),
)
