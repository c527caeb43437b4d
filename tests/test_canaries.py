"""The search of all logs for secrets can fail: it finds what is planted, in loggers and in files."""

import logging
from pathlib import Path

import pytest

from . import canaries


@pytest.mark.parametrize("text", [*canaries.SECRETS, canaries.BODY, "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJ4In0.sig"])
def test_a_planted_text_is_found(watch: canaries.Watch, text: str) -> None:
    heard = watch.heard
    logging.getLogger("guardrails.test").debug("said: %s", text)
    assert watch.heard == heard + 1
    assert len(watch.leaks) == 1
    watch.leaks.clear()


def test_others_are_heard_from_the_level_on_that_azure_logs(watch: canaries.Watch) -> None:
    logging.getLogger("somebody.else").info("to %s", canaries.SECRETS[1])
    assert len(watch.leaks) == 1
    watch.leaks.clear()


def test_one_in_a_traceback_is_found(watch: canaries.Watch) -> None:
    try:
        int(canaries.SECRETS[0])
    except ValueError:
        logging.getLogger("guardrails.test").exception("it failed")
    assert len(watch.leaks) == 1
    watch.leaks.clear()


def test_one_in_a_log_file_is_found_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "functions.log").write_text(f"fine\nTo {canaries.SECRETS[1]}\n")
    (leak,) = canaries.leaks_of(tmp_path)
    assert leak.startswith("functions.log:2:")
    (tmp_path / "below" / "functions.log").unlink()


def test_an_innocent_line_is_none() -> None:
    assert canaries.found_in('{"event": "decision", "exemption": "/subscriptions/x", "correlation": "eyJ"}') == []
