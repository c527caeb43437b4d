"""Who deleted an exemption, as the activity log of its subscription has it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from guardrails.azure.arm import ArmRest
from guardrails.azure.deletions import Deletions
from guardrails.errors import Retryable
from guardrails.exemption.exemption_id import TYPE, ExemptionId
from guardrails.exemption.facts import Unread
from sandbox.arm.access import Grant
from sandbox.cloud import Cloud
from sandbox.identity import token_for
from tests.azure.conftest import OID, StaticCredential
from tests.azure.inventory import fail
from tests.clock import VirtualClock
from tests.sandbox.conftest import CORP, VAULT, exemption, exemption_id

ONE = ExemptionId.parse(exemption_id(VAULT, "it's one"))
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
ALICE, BOB = "alice@contoso.com", "bob@contoso.com"
PATH = "eventtypes/management/values"


def asking(address: str) -> Deletions:
    return Deletions(address, StaticCredential())


async def deleter(log: Deletions, one: ExemptionId = ONE, *, since: datetime = LONG_AGO) -> str | Unread:
    return await log.deleted_by(one, since, datetime.now(UTC) + timedelta(minutes=1))


@pytest.fixture
async def log(cloud: Cloud) -> AsyncIterator[Deletions]:
    found = asking(cloud.arm.address)
    yield found
    await found.close()


async def delete(cloud: Cloud, one: ExemptionId, upn: str) -> None:
    cloud.arm.seed(one.text, exemption())
    arm = ArmRest(cloud.arm.address, StaticCredential(token_for("x", OID, upn=upn)), VirtualClock())
    await arm.delete(one)
    await arm.close()


async def test_who_deleted_it_last_by_one_request(log: Deletions, cloud: Cloud) -> None:
    assert await deleter(log) == ""
    await delete(cloud, ONE, ALICE)
    await delete(cloud, ONE, BOB)
    await delete(cloud, ExemptionId.parse(exemption_id(VAULT, "another")), ALICE)
    cloud.arm.log.reset()
    assert await deleter(log) == BOB
    assert await deleter(log, ExemptionId.parse(ONE.text.upper())) == BOB
    assert [seen.status for seen in cloud.arm.log.requests] == [200, 200]


async def test_not_before_it_was_written_and_not_before_the_log_shows_it(log: Deletions, cloud: Cloud) -> None:
    await delete(cloud, ONE, ALICE)
    assert await deleter(log, since=datetime.now(UTC) + timedelta(seconds=30)) == ""
    cloud.arm.activity.lag = timedelta(minutes=10)
    assert await deleter(log) == ""


async def test_not_after_the_time_until_which_it_is_asked(log: Deletions, cloud: Cloud) -> None:
    await delete(cloud, ONE, ALICE)
    until = datetime.now(UTC)
    await delete(cloud, ONE, BOB)
    assert await log.deleted_by(ONE, LONG_AGO, until) == ALICE


@pytest.mark.parametrize(("status", "code"), [(403, "AuthorizationFailed"), (400, "BadRequest"), (404, "NotFound")])
async def test_a_refusal_is_no_answer(log: Deletions, cloud: Cloud, status: int, code: str) -> None:
    fail(cloud, path=PATH, status=status, code=code)
    found = await deleter(log)
    assert isinstance(found, Unread)
    assert found.reason.startswith(code)


async def test_a_busy_azure_is_asked_again_later(log: Deletions, cloud: Cloud) -> None:
    fail(cloud, path=PATH, status=429, code="TooManyRequests", retry_after="7")
    with pytest.raises(Retryable):
        await deleter(log)


async def test_without_the_action_it_is_refused(log: Deletions, cloud: Cloud) -> None:
    subscription = f"/subscriptions/{ONE.subscription}"
    cloud.arm.access.grants[OID] = [Grant(subscription, ("Microsoft.Authorization/policyExemptions/read",))]
    assert isinstance(await deleter(log), Unread)


async def test_a_management_group_is_not_asked(log: Deletions, cloud: Cloud) -> None:
    found = await deleter(log, ExemptionId.parse(exemption_id(CORP, "x")))
    assert isinstance(found, Unread)
    assert len(cloud.arm.log.requests) == 0


def record(by: str, at: str, **more: Any) -> dict[str, Any]:
    operation = {"value": f"{TYPE}/delete"}
    said = {"operationName": operation, "status": {"value": "Succeeded"}, "claims": {"upn": by}, "resourceId": ONE.text}
    return {**said, "eventTimestamp": at, **more}


@asynccontextmanager
async def answering(answer: Callable[[str], Any]) -> AsyncIterator[Deletions]:
    """Ask a server that answers with what it is given: its own address is handed over."""
    pages: list[Any] = []

    async def page(request: web.Request) -> web.Response:
        pages.append(request.url)
        return web.json_response(answer(f"http://{request.host}"))

    app = web.Application()
    app.router.add_get("/{tail:.*}", page)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    log = asking(f"http://127.0.0.1:{runner.addresses[0][1]}")
    try:
        yield log
    finally:
        await log.close()
        await runner.cleanup()


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([record(ALICE, "2026-01-02T00:00:00Z"), record(BOB, "2026-01-01T00:00:00Z")], ALICE),
        ([record(ALICE, "2026-01-02T00:00:00Z", status={"value": "Started"})], ""),
        ([record(ALICE, "2026-01-02T00:00:00Z", resourceId=exemption_id(VAULT, "x"))], ""),
        ([record(ALICE, "2026-01-02T00:00:00Z", operationName={"value": f"{TYPE}/write"})], ""),
        (
            [
                record(ALICE, "2026-01-02T00:00:00Z"),
                record(BOB, "2026-01-02T00:00:00.1Z", operationName={"value": f"{TYPE}/write"}),
            ],
            "",
        ),
        (
            [
                record(ALICE, "2026-01-02T00:00:00.1234567Z"),
                record(BOB, "2026-01-02T00:00:00Z", operationName={"value": f"{TYPE}/write"}),
            ],
            ALICE,
        ),
        ([record(ALICE, "soon"), record(BOB, "2026-01-01T00:00:00Z")], BOB),
        ([None, "x", {}, record(ALICE, "2026-01-02T00:00:00Z")], ALICE),
        ([], ""),
    ],
)
async def test_of_many_records_the_last_that_succeeded_counts(rows: list[Any], found: str) -> None:
    async with answering(lambda _: {"value": rows}) as log:
        assert await deleter(log) == found


@pytest.mark.parametrize(
    "body",
    [
        lambda _: [],
        lambda _: {"value": None},
        lambda _: {"value": [], "nextLink": "https://elsewhere.example/values"},
        lambda here: {"value": [], "nextLink": f"{here}/for-ever"},
    ],
)
async def test_what_cannot_be_read_to_its_end_is_no_answer(body: Callable[[str], Any]) -> None:
    async with answering(body) as log:
        assert isinstance(await deleter(log), Unread)
