"""The health of sweeps, as anybody may ask for it: 200 only where they are known to come by, and cheap to ask."""

import asyncio
import importlib.util
import json
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import azure.functions as func
import pytest

from guardrails.errors import Misconfigured, Retryable
from guardrails.runtime.health import KEPT, Health, Watch
from tests.sweep.conftest import Tenant

HOUR = timedelta(hours=1)


class Storage:
    """What is asked for the age: how often, and what it says."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.now = 0.0

    async def __call__(self) -> tuple[timedelta | None, timedelta]:
        self.asked += 1
        await asyncio.sleep(0)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer, 2 * HOUR

    def watch(self) -> Watch:
        return Watch(self, lambda: self.now)


@pytest.mark.parametrize(
    ("age", "code", "said"),
    [
        (timedelta(0), 200, {"status": "ok", "age": 0}),
        (timedelta(seconds=7199.9), 200, {"status": "ok", "age": 7199}),
        (2 * HOUR, 503, {"status": "late", "age": 7200}),
        (timedelta(days=30), 503, {"status": "late", "age": 2_592_000}),
        (None, 503, {"status": "unknown"}),
        (Retryable("secret-of-the-tenant is away", code="storage-busy", subject="x"), 503, {"status": "unknown"}),
        (Misconfigured("secret-of-the-tenant", code="settings-broken"), 503, {"status": "unknown"}),
        (ValueError("secret-of-the-tenant"), 503, {"status": "unknown"}),
    ],
)
async def test_only_a_young_sweep_is_well_and_what_is_unknown_is_not(age: Any, code: int, said: dict[str, Any]) -> None:
    found = await Storage(age).watch().look()
    assert (found.code, json.loads(found.to_json())) == (code, said)


async def test_however_many_ask_one_row_is_read_in_some_seconds() -> None:
    storage = Storage(HOUR, 3 * HOUR)
    watch = storage.watch()
    found = await asyncio.gather(*(watch.look() for _ in range(500)))
    storage.now = KEPT - 0.1
    found += [await watch.look()]
    assert {one.code for one in found} == {200}
    assert storage.asked == 1
    storage.now = KEPT
    assert (await watch.look()).code == 503
    assert storage.asked == 2


async def test_storage_that_does_not_answer_is_not_waited_for_and_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def never() -> tuple[timedelta | None, timedelta]:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr("guardrails.runtime.health.LONGEST", 0.01)
    assert (await Watch(never).look()).code == 503
    assert "the age of the last sweep could not be read: no answer within 0.01 s" in caplog.text


async def test_what_failed_is_kept_as_long() -> None:
    storage = Storage(Retryable("away", code="storage-busy", subject="x"), HOUR)
    watch = storage.watch()
    assert [(await watch.look()).code for _ in range(20)] == [503] * 20
    assert storage.asked == 1
    storage.now = KEPT
    assert (await watch.look()).code == 200


async def test_storage_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guardrails.runtime.health.LONGEST", 0.01)

    async def never() -> tuple[timedelta | None, timedelta]:
        await asyncio.sleep(60)
        raise AssertionError

    assert await Watch(never).look() == Health(None)


async def test_the_age_is_that_of_the_last_sweep_that_ended_by_one_read(tenant: Tenant) -> None:
    assert await tenant.intake.age() is None
    await tenant.intake.sweep()
    tenant.world.clock.advance(minutes=30)
    assert await tenant.sweeps.begin(tenant.world.clock.now(), "another", timedelta(minutes=2))
    tenant.world.watch.calls.clear()
    age = await tenant.intake.age()
    assert age is not None
    assert 1800 <= age.total_seconds() < 1802
    assert tenant.world.watch.calls == {"sweeps.last": 1}


# As the host calls it


@pytest.fixture
def app() -> ModuleType:
    """function_app.py, imported anew."""
    spec = importlib.util.spec_from_file_location("function_app_anew", Path(__file__).parents[2] / "function_app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_settings_that_are_broken_are_unknown_and_not_an_error(
    app: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AzureWebJobsStorage", "AzureWebJobsStorage__accountName", "AzureWebJobsStorage__tableServiceUri"):
        monkeypatch.delenv(name, raising=False)
    (function,) = [one for one in app.app.get_functions() if one.get_function_name() == "health"]
    answer = await function.get_user_function()(func.HttpRequest("GET", "https://x/api/health", body=b""))
    assert answer.status_code == 503
    assert json.loads(answer.get_body()) == {"status": "unknown"}


def test_anybody_may_ask_and_nobody_may_write(app: ModuleType) -> None:
    (function,) = [one for one in app.app.get_functions() if one.get_function_name() == "health"]
    trigger = function.get_trigger().get_dict_repr()
    assert trigger["route"] == "health"
    assert [str(one).rpartition(".")[2].upper() for one in trigger["methods"]] == ["GET", "HEAD"]
    assert str(trigger["authLevel"]).rpartition(".")[2].upper() == "ANONYMOUS"
