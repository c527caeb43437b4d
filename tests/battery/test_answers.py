"""What comes back is not storage's answer: whoever asked says so, loses nothing, and does nothing twice.

Every kind of request to storage that a method of a port makes has its turn; which there are is found out by the flows.
"""

from collections.abc import Iterable, Iterator
from typing import Any
from unittest.mock import patch

import pytest

from guardrails.errors import Retryable
from tests.battery import matrix
from tests.battery.conversations import asked_by_ports, conversations, replay
from tests.battery.faults import fitting
from tests.battery.line import Fault, Sent
from tests.battery.stage import After, Stage
from tests.register.answers import OK, faults

UNREADABLE = "an answer that cannot be read"


def test_every_kind_of_request_that_a_port_makes_is_among_them() -> None:
    assert conversations().keys() == asked_by_ports()
    assert {port.partition(".")[0] for port, _ in conversations()} >= {
        "Register", "Sweeps", "Bypasses", "Lanes", "Gathering", "Queues",
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


def _flows() -> dict[tuple[str, str], tuple[str, str]]:
    """Return a flow that comes by each kind of request once it is set off, and where it is played."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    note = Stage._note
    for place in matrix.places(matrix.few()):
        seen: set[tuple[str, str]] = set()

        def noted(self: Stage, sent: Sent, seen: set[tuple[str, str]] = seen) -> Fault | None:
            if self._watching and sent.where == "storage" and sent.port:
                seen.add((sent.port, sent.what))
            return note(self, sent)

        with patch.object(Stage, "_note", noted):
            matrix.undisturbed(*place)
        for asked in seen:
            found.setdefault(asked, place)
    return dict(sorted(found.items()))


def _play(place: tuple[str, str], asked: tuple[str, str], name: str) -> list[str]:
    """Play a flow in which the first such request has a fault; return what is wrong with its end."""
    note, met = Stage._note, []

    def noted(self: Stage, sent: Sent) -> Fault | None:
        fault = note(self, sent)
        if self._watching and not met and (sent.port, sent.what) == asked:
            met.append(sent)
            return fitting(sent)[name]
        return fault

    with patch.object(Stage, "_note", noted):
        ending = matrix.play(*place, after=After.SWEEPS)
    ever = matrix.undisturbed(*place)
    wrong = list(ending.wrong) if met else ["it was not reached"]
    if ending.again > ever.again + name.endswith("carried out"):
        wrong.append(f"{ending.again} notices came once more")
    if ending.result not in matrix._ends(matrix.Entry(*place, 1, "", After.SWEEPS), ever):
        wrong += matrix._difference(ending.result, ever.result)
    return [f"{'/'.join(place)}, {asked[0]}, {asked[1]}, {name}: {one}" for one in wrong]


def _names(asked: tuple[str, str]) -> list[str]:
    return [name for name in fitting(Sent(asked[1], asked[0])) if name.startswith(UNREADABLE) or name == "no token"]


@pytest.fixture
def places() -> Iterator[dict[tuple[str, str], tuple[str, str]]]:
    matrix.undisturbed.cache_clear()
    yield _flows()
    matrix.undisturbed.cache_clear()


def test_a_flow_ends_as_ever_whichever_answer_of_storage_is_spoiled(places: dict[Any, Any]) -> None:
    wrong: list[str] = []
    for number, (asked, place) in enumerate(places.items()):
        names = _names(asked)
        for name in {names[number % len(names)], names[(number + len(names) // 2) % len(names)]}:
            wrong += _play(place, asked, name)
    open("/tmp/errors_x/wrong.txt","w").write("\n".join(wrong))
    assert wrong == []


@pytest.mark.long
def test_a_flow_ends_as_ever_whatever_comes_in_place_of_any_answer(places: dict[Any, Any]) -> None:
    wrong = [_play(place, asked, name) for asked, place in places.items() for name in _names(asked)]
    assert [one for some in wrong for one in some] == []
