"""What comes back is not storage's answer: whoever asked says so, loses nothing, and does nothing twice.

Every kind of request to storage that a method of a port makes has its turn; which there are is found out by the flows.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace as changed
from unittest.mock import patch

import pytest

from guardrails.errors import Retryable
from guardrails.notices.notice import Kind
from tests.battery import matrix
from tests.battery.conversations import asked_by_ports, conversations, flows, replay
from tests.battery.faults import fitting
from tests.battery.flows import FLOWS
from tests.battery.line import Fault, Sent
from tests.battery.stage import After, Stage
from tests.register.answers import OK, faults

UNREADABLE = "an answer that cannot be read"


@pytest.fixture(scope="module", autouse=True)
def _heard() -> None:
    """The flows have been played, before there is a loop."""
    conversations()


def test_every_kind_of_request_that_a_port_makes_is_among_them() -> None:
    assert conversations().keys() == asked_by_ports()
    assert {port.partition(".")[0] for port, _ in conversations()} >= {
        "Register", "Sweeps", "Bypasses", "RateLimits", "DigestItems", "Queues",
    }  # fmt: skip


async def test_the_same_answers_make_the_same_requests() -> None:
    for (_, what), talk in conversations().items():
        assert await replay(talk, what, None) == [asked for asked, _ in talk.said], talk.name


def turns() -> Iterator[tuple[str, str, str]]:
    """Yield methods, requests and faults: each kind of request with each of its faults, each method with a few."""
    for asked in OK:
        names = [name for name, what in conversations() if what == asked]
        for index, fault in enumerate(faults(asked) if names else ()):
            yield names[index % len(names)], asked, fault


def everything() -> Iterator[tuple[str, str, str]]:
    """Yield all of them."""
    for name, what in conversations():
        for fault in faults(what):
            yield name, what, fault


async def _wrong(turns: Iterable[tuple[str, str, str]]) -> list[str]:
    wrong = []
    for name, what, fault in turns:
        try:
            await replay(conversations()[name, what], what, faults(what)[fault])
        except Retryable as error:
            good = error.code == "storage-unreachable" and error.subject and " storage " in error.message
            wrong += [] if good else [f"{name}, {what}, {fault}: {error}"]
        else:
            wrong.append(f"{name}, {what}, {fault}: nothing is said of it")
    return wrong


async def test_what_is_no_answer_of_storage_is_said_to_be_none() -> None:
    assert {(name, what) for name, what, _ in turns()} == conversations().keys()
    assert await _wrong(turns()) == []


@pytest.mark.long
async def test_whatever_is_no_answer_of_storage_is_said_to_be_none() -> None:
    assert await _wrong(everything()) == []


def _play(place: tuple[str, str], asked: tuple[str, str], name: str) -> list[str]:
    """Play a flow in which the first such request has a fault; return what is wrong with its end."""
    note, met = Stage._note, list[Sent]()

    def noted(self: Stage, sent: Sent) -> Fault | None:
        fault = note(self, sent)
        if self._watching and not met and (sent.port, sent.what) == asked:
            met.append(sent)
            return fitting(sent)[name]
        return fault

    with patch.object(Stage, "_note", noted):
        ending = matrix.play(*place, after=After.SWEEPS)
    ever, unheard = matrix.undisturbed(*place), matrix.never(*place) if FLOWS[place[0]].unheard else None
    known = unheard.wrong if unheard else ()
    wrong = [one for one in ending.wrong if one not in known] if met else ["it was not reached"]
    if ending.again > ever.again + 1:
        wrong.append(f"{ending.again} notices came once more")
    notices = tuple(
        one for one in ending.result.notices if one[1] != Kind.SWEEP_PARTIAL
    )  # a sweep that missed something
    result = changed(ending.result, notices=notices)
    if result not in matrix._ends(matrix.Entry(*place, 1, "", After.SWEEPS), ever):
        wrong += matrix._difference(result, ever.result)
    return [f"{'/'.join(place)}, {asked[0]}, {asked[1]}, {name}: {one}" for one in wrong]


def _names(asked: tuple[str, str]) -> list[str]:
    return [name for name in fitting(Sent(asked[1], asked[0])) if name.startswith(UNREADABLE) or name == "no token"]


def test_a_flow_ends_as_ever_whichever_answer_of_storage_is_spoiled() -> None:
    wrong: list[str] = []
    for number, (asked, place) in enumerate(flows().items()):
        names = _names(asked)
        wrong += _play(place, asked, names[number % len(names)])
    assert wrong == []


@pytest.mark.long
def test_a_flow_ends_as_ever_whatever_comes_in_place_of_any_answer() -> None:
    wrong = [_play(place, asked, name) for asked, place in flows().items() for name in _names(asked)]
    assert [one for some in wrong for one in some] == []
