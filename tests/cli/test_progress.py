"""Progress: on standard error, for a person, one bar at a time; nothing of it stays, and nothing of it is in a pipe."""

import sys

import pytest

from guardrails.cli.progress import progress

from .terminal import NARROW, terminal


@pytest.mark.parametrize("width", NARROW)
def test_a_person_sees_how_far_it_is_and_then_nothing(width: int) -> None:
    with terminal(width) as seen, progress("exemptions with reverts") as moved:
        moved(17, 400)
        moved(400, 400)
    text = seen.raw.decode()
    assert "exemptions with reverts" in text
    assert "400/400" in text
    assert "…" not in text
    assert text.rstrip().endswith("\x1b[2K")  # the line is wiped at the end


def test_what_runs_inside_is_a_part_of_it() -> None:
    with terminal(80) as seen, progress("rows"), progress("asking Azure and the register"):
        pass
    assert b"rows" in seen.raw
    assert b"asking" not in seen.raw


def test_quiet_is_quiet_inside_too() -> None:
    with terminal(80) as seen, progress("rows", quiet=True), progress("asking Azure and the register") as moved:
        moved(1, 2)
    assert seen.raw == b""


def test_the_next_one_is_shown_after_one_that_failed() -> None:
    with terminal(80) as seen:
        with pytest.raises(KeyError), progress("first"):
            raise KeyError
        with progress("second"):
            pass
    assert b"second" in seen.raw


def test_a_pipe_gets_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("rows") as moved:
        moved(1, 2)
        print("result", file=sys.stdout)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("result\n", "")
