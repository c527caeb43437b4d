"""The sink: what it takes for a good notice, and how it fails on request."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession
from standardwebhooks import Webhook

from sandbox.cloud import Cloud
from sandbox.sink import DEFAULT_SECRET
from tests.sandbox.conftest import Client

CARD: dict[str, Any] = {
    "type": "AdaptiveCard",
    "version": "1.5",
    "body": [{"type": "TextBlock", "text": "An exemption was reverted", "wrap": True}],
    "actions": [{"type": "Action.OpenUrl", "title": "Open", "url": "https://portal.azure.com/"}],
}


def teams(card: Any = None, **more: Any) -> dict[str, Any]:
    content_type = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": content_type, "content": card or CARD}], **more}


def signed(body: bytes, *, identity: str = "msg_1", age: float = 0.0, secret: str = DEFAULT_SECRET) -> dict[str, str]:
    moment = datetime.now(UTC) - timedelta(seconds=age)
    return {
        "Content-Type": "application/json",
        "webhook-id": identity,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(identity, moment, body.decode()),
    }


NOTICE = json.dumps({"type": "exemption.reverted", "timestamp": "2026-01-01T00:00:00Z", "data": {}}).encode()


async def post(session: ClientSession, url: str, **options: Any) -> tuple[int, str]:
    async with session.post(url, **options) as answer:
        return answer.status, await answer.text()


async def test_teams_takes_a_card(cloud: Cloud, client: Client) -> None:
    url = cloud.addresses["sink"] + "/teams/workflows/1?sig=x"
    assert (await post(client.session, url, json=teams()))[0] == 202
    (one,) = cloud.sink.accepted("teams")
    assert (one.path, one.problems) == ("/teams/workflows/1", [])
    assert json.loads(one.body)["attachments"][0]["content"] == CARD


def deep(levels: int) -> Any:
    """Return elements that hold one another, the last of them a wrong one."""
    found: Any = ["no element"]
    for _ in range(levels):
        found = [{"type": "Container", "items": found}]
    return found


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ({"text": "hello"}, "envelope"),
        (teams({"type": "Other"}), "AdaptiveCard"),
        ({"type": "message", "attachments": [{"contentType": "text/html"}]}, "not of type"),
        (teams(padding="x" * 29_000), "over 28672"),
        (teams({**CARD, "actions": [{"type": "Action.Submit", "title": "t"}]}), "Action.Submit"),
    ],
)
async def test_teams_refuses_the_rest(cloud: Cloud, client: Client, message: Any, problem: str) -> None:
    status, text = await post(client.session, cloud.addresses["sink"] + "/teams", json=message)
    assert status == 400
    assert problem in text
    assert cloud.sink.accepted("teams") == []


async def test_cards_must_fit_the_schema(cloud: Cloud, client: Client) -> None:
    bad = {**CARD, "body": [{"type": "TextBlock", "words": "no text property"}]}
    status, text = await post(client.session, cloud.addresses["sink"] + "/teams", json=teams(bad))
    assert (status, text) == (400, 'card schema: body/0: "text" is a required property')


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([{"type": "TextRunn"}], "card schema: body/0/type: "),
        (["no element"] * 300, "card schema: body/4: "),
        ([{"type": "TextBlock", "text": "x", "a\ud800": 1}], "card schema: "),
        (deep(500), "card schema: "),
    ],
    ids=["type", "many", "no Unicode", "deep"],
)
async def test_what_is_wrong_with_a_card_is_named_in_few_words(
    cloud: Cloud, client: Client, body: Any, said: str
) -> None:
    status, text = await post(client.session, cloud.addresses["sink"] + "/teams", json=teams({**CARD, "body": body}))
    assert status == 400
    assert said in text
    assert text.count("card schema: ") <= 5
    assert len(cloud.sink.received) == 1


async def test_webhooks_must_be_signed_fresh_and_small(cloud: Cloud, client: Client) -> None:
    url = cloud.addresses["sink"] + "/webhook"
    assert (await post(client.session, url, data=NOTICE, headers=signed(NOTICE)))[0] == 200
    assert (await post(client.session, url, data=NOTICE, headers=signed(NOTICE)))[0] == 200
    assert cloud.sink.duplicates() == {"webhook:msg_1": 2}
    stale = signed(NOTICE, age=600)
    foreign = signed(NOTICE, secret="whsec_" + "b" * 32)
    for headers, why in ((stale, "too old"), (foreign, "No matching"), ({"Content-Type": "text/plain"}, "required")):
        status, text = await post(client.session, url, data=NOTICE, headers=headers)
        assert status == 400
        assert why in text
    large = json.dumps({"type": "t", "timestamp": "x", "data": "x" * 21_000}).encode()
    assert (await post(client.session, url, data=large, headers=signed(large)))[0] == 400
    other = NOTICE.replace(b"reverted", b"accepted")
    assert (await post(client.session, url, data=other, headers=signed(NOTICE)))[0] == 400


async def test_slack(cloud: Cloud, client: Client) -> None:
    url = cloud.addresses["sink"] + "/slack/T0/B0/x"
    assert await post(client.session, url, json={"text": "hello"}) == (200, "ok")
    assert (await post(client.session, url, json={}))[1] == "no_text"
    long = {"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}]}
    assert (await post(client.session, url, json=long))[0] == 400
    assert (await post(client.session, url, data="{"))[0] == 400


async def test_it_fails_on_request_and_recovers(cloud: Cloud, client: Client) -> None:
    sink = cloud.addresses["sink"]
    async with client.session.post(
        f"{sink}/_sandbox/fail", json={"count": 2, "status": 429, "retry_after": "1"}
    ) as response:
        assert response.status == 200
    async with client.session.post(f"{sink}/teams", json=teams()) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
    assert (await post(client.session, f"{sink}/teams", json=teams()))[0] == 429
    assert (await post(client.session, f"{sink}/teams", json=teams()))[0] == 202
    assert len(cloud.sink.received) == 3
    assert len(cloud.sink.accepted("teams")) == 1

    cloud.sink.fail(count=1, status=0, stall=0.1, path="webhook")
    assert (await post(client.session, f"{sink}/teams", json=teams()))[0] == 202
    started = time.monotonic()
    assert (await post(client.session, f"{sink}/webhook", data=NOTICE, headers=signed(NOTICE)))[0] == 200
    assert time.monotonic() - started >= 0.1, "it was this one that stalled"

    cloud.sink.fail(count=1, drop=True)
    with pytest.raises(ClientError):
        await post(client.session, f"{sink}/teams", json=teams())


async def test_a_ratio_of_failures_is_repeatable(cloud: Cloud, client: Client) -> None:
    url = cloud.addresses["sink"] + "/teams"
    runs = []
    for _ in range(2):
        cloud.sink.fail(count=None, status=500, ratio=0.5, seed=7)
        runs.append([(await post(client.session, url, json=teams()))[0] for _ in range(20)])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {202, 500}


async def test_everything_can_be_read_over_http(cloud: Cloud, client: Client) -> None:
    sink = cloud.addresses["sink"]
    await post(client.session, f"{sink}/teams", json=teams())
    await post(client.session, f"{sink}/teams", json={})
    async with client.session.get(f"{sink}/_sandbox/received") as answer:
        good, bad = await answer.json()
    assert (good["status"], good["problems"], good["channel"]) == (202, [], "teams")
    assert bad["status"] == 400
    assert bad["problems"]
    await asyncio.gather(post(client.session, f"{sink}/_sandbox/reset"), asyncio.sleep(0))
    async with client.session.get(f"{sink}/_sandbox/received") as answer:
        assert await answer.json() == []
    assert (await post(client.session, f"{sink}/elsewhere"))[0] == 404
