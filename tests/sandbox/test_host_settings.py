"""Schedules, host.json and app settings as the host reads them."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox.host.settings import (
    HostError,
    connection_string,
    disabled,
    queue_options,
    read_host_json,
    resolve,
    seconds,
)
from sandbox.host.timers import Schedule

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("schedule", "moment", "expected"),
    [
        ("0 */5 * * * *", "2026-03-01T10:02:30", "2026-03-01T10:05:00"),
        ("0 */5 * * * *", "2026-03-01T10:05:00", "2026-03-01T10:10:00"),
        ("0 */5 * * * *", "2026-12-31T23:59:59", "2027-01-01T00:00:00"),
        ("30 15 3 * * *", "2026-03-01T03:15:30", "2026-03-02T03:15:30"),
        ("30 15 3 * * *", "2026-03-01T03:15:29.5", "2026-03-01T03:15:30"),
        ("0 0 8-10,14 * * 1-5", "2026-11-20T14:00:00", "2026-11-23T08:00:00"),
        ("0 0 0 29 2 *", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("10/20 * * * * *", "2026-01-01T00:00:10", "2026-01-01T00:00:30"),
        ("0 0 0 * * 0", "2026-11-21T10:00:00", "2026-11-22T00:00:00"),
    ],
)
def test_the_next_time_of_a_schedule(schedule: str, moment: str, expected: str) -> None:
    after = Schedule(schedule).after(datetime.fromisoformat(moment).replace(tzinfo=UTC))
    assert after == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["* * * * *", "0 60 * * * *", "0 x * * * *", "0 5-1 * * * *", "0 */0 * * * *", ""])
def test_a_wrong_schedule_is_refused(text: str) -> None:
    with pytest.raises(HostError, match="timer schedule"):
        Schedule(text)


def test_a_schedule_that_never_comes_is_refused() -> None:
    with pytest.raises(HostError, match="never comes"):
        Schedule("0 0 0 31 2 *").after(datetime(2026, 1, 1, tzinfo=UTC))


def test_time_spans() -> None:
    assert seconds("00:00:10") == 10
    assert seconds("00:00:00.250") == 0.25
    assert seconds("1.02:00:00") == 26 * 3600
    with pytest.raises(HostError, match="hh:mm:ss"):
        seconds("10")


def test_the_project_s_host_json_and_its_overrides(tmp_path: Path) -> None:
    (tmp_path / "function_app.py").touch()
    (tmp_path / "host.json").write_bytes((ROOT / "host.json").read_bytes())
    environ = {"AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "00:00:00.2"}
    options = queue_options(read_host_json(tmp_path, environ))
    assert (options.max_dequeue_count, options.batch_size, options.new_batch_threshold) == (5, 16, 8)
    assert options.visibility_timeout == 10
    assert options.max_polling_interval == 0.2
    assert options.base64


def test_a_wrong_host_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"no function_app\.py"):
        read_host_json(tmp_path, {})
    (tmp_path / "function_app.py").touch()
    assert queue_options(read_host_json(tmp_path, {})).max_dequeue_count == 5
    (tmp_path / "host.json").write_text("[]", encoding="utf-8")
    with pytest.raises(HostError, match="JSON object"):
        read_host_json(tmp_path, {})
    (tmp_path / "host.json").write_text("{", encoding="utf-8")
    with pytest.raises(HostError, match="not JSON"):
        read_host_json(tmp_path, {})
    (tmp_path / "host.json").write_text(json.dumps({"extensions": {"queues": {"batchSize": "x"}}}), encoding="utf-8")
    with pytest.raises(HostError, match=r"extensions\.queues"):
        queue_options(read_host_json(tmp_path, {}))


def test_app_settings() -> None:
    assert resolve("%A%-%B%", {"A": "x", "B": "y"}) == "x-y"
    assert connection_string("", {"AzureWebJobsStorage": "text"}) == "text"
    assert connection_string("Other", {"AzureWebJobsOther": "text"}) == "text"
    with pytest.raises(HostError, match="identity-based"):
        connection_string("Other", {"Other__queueServiceUri": "x"})
    with pytest.raises(HostError, match="missing"):
        connection_string("Other", {})
    assert disabled("sweep", {"AzureWebJobs.sweep.Disabled": "true"})
    assert not disabled("sweep", {"AzureWebJobs.sweep.Disabled": "false"})
