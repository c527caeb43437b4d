"""Our request for a token, compared with azure-identity's: the same request, token and moment of renewal."""

import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from azure.identity.aio import ManagedIdentityCredential as SdkCredential

from guardrails.azure.identity import Explained
from guardrails.azure.managed_identity import ManagedIdentityCredential, NoToken
from guardrails.errors import Retryable
from sandbox.arm.listener import Listener

pytestmark = pytest.mark.http

NOW: Final = 1_800_000_000
RESOURCE: Final = "https://management.azure.com"


class Endpoint:
    """Gives tokens as a random generator has it, or refuses so many; writes down what it was asked for."""

    def __init__(self, seed: int, refused: float = 0.25) -> None:
        self.asked: list[tuple[str, dict[str, list[str]], str]] = []
        self.now = float(NOW)
        self._refused = refused
        self._random = random.Random(seed)  # noqa: S311
        self._listener = Listener(self._answer)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        address = await self._listener.start()
        try:
            yield f"{address}/msi/token"
        finally:
            await self._listener.stop()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        parts = urlsplit(str(request.rel_url))
        self.asked.append((parts.path, parse_qs(parts.query), request.headers["X-IDENTITY-HEADER"]))
        pick = self._random
        if pick.random() < self._refused / 5:
            return web.json_response({**answer(pick, int(self.now), request.query["resource"]), "access_token": ""})
        if pick.random() < self._refused:
            return web.json_response({"statusCode": 0, "message": "no"}, status=pick.choice((400, 403, 429, 500)))
        return web.json_response(answer(pick, int(self.now), request.query["resource"]))


def answer(pick: random.Random, now: int, resource: str) -> dict[str, Any]:
    """Return a token as the endpoint gives it: one that lasts for seconds or days, and says so in one way or two."""
    lasts = pick.choice((20, 200, 299, 301, 600, 3600, 7199, 7200, 7201, 86400))
    kind: Any = pick.choice((int, str))
    ends = pick.choice(("expires_on", "expires_in", "both"))
    return {
        "access_token": f"token {pick.getrandbits(32)}", "resource": resource, "token_type": "Bearer",
        **({"expires_on": kind(now + lasts)} if ends != "expires_in" else {}),
        **({"expires_in": kind(lasts)} if ends != "expires_on" else {}),
        **({"refresh_in": pick.choice((10, 400, 3000))} if pick.random() < 0.2 else {}),
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(60))
async def test_it_asks_as_azure_identity_does(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    client_id = "" if seed % 2 else "33333333-0000-4000-8000-000000000003"
    endpoints = Endpoint(seed), Endpoint(seed)
    monkeypatch.setattr(time, "time", lambda: endpoints[0].now)
    monkeypatch.setenv("IDENTITY_HEADER", "secret-header")
    async with endpoints[0].running() as mine, endpoints[1].running() as theirs:
        monkeypatch.setenv("IDENTITY_ENDPOINT", theirs)
        ours = ManagedIdentityCredential(mine, "secret-header", client_id)
        sdk = SdkCredential(client_id=client_id or None, retry_total=0)
        async with Explained(ours, "it") as one, Explained(sdk, "it") as other:
            pick = random.Random(seed)  # noqa: S311
            scope = RESOURCE + pick.choice(("", "/.default"))
            for _ in range(30):
                assert await outcome(one, scope) == await outcome(other, scope)
                assert endpoints[0].asked == endpoints[1].asked
                later = pick.choice((0, 1, 31, 200, 1800, 7000, 40000))
                endpoints[0].now = endpoints[1].now = endpoints[0].now + later
                if later > 30:  # `Explained` asks nobody again for half a minute of the real time
                    for each in (one, other):
                        each._pause.refused = None
                        each._refusals.clear()
    assert endpoints[0].asked


async def outcome(identity: Explained, scope: str) -> tuple[str, float, float | None] | str:
    try:
        found = await identity.get_token_info(scope)
    except Retryable as error:
        return error.message
    return found.token, found.expires_on, found.refresh_on


async def test_claims_want_a_new_token() -> None:
    async with (
        Endpoint(0, refused=0).running() as address,
        ManagedIdentityCredential(address, "secret-header") as identity,
    ):
        first = await identity.get_token(RESOURCE)
        assert await identity.get_token(RESOURCE) == first
        assert (await identity.get_token(RESOURCE, claims="{}")).token != first.token
        assert (await identity.get_token_info(RESOURCE, options={"claims": "{}"})).token != first.token


async def test_an_answer_without_a_token_is_not_kept() -> None:
    answers = iter(web.json_response({"access_token": one, "expires_in": "86400"}) for one in ("", None, 7, "t0ken"))

    async def say(_: web.BaseRequest) -> web.StreamResponse:
        return next(answers)

    listener = Listener(say)
    async with ManagedIdentityCredential(await listener.start(), "secret-header") as identity:
        for _ in range(3):
            with pytest.raises(NoToken, match="no token in the answer"):
                await identity.get_token(RESOURCE)
        assert (await identity.get_token(RESOURCE)).token == "t0ken"
    await listener.stop()


@pytest.mark.parametrize(
    "text", ['{"access_token": "s3cret", "expires_on": "soon"}', '{"access_token": "s3cret"}', "[]", "null", "{"]
)
async def test_an_answer_without_a_token_is_in_no_message(text: str) -> None:
    async def say(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=text, content_type="application/json")

    listener = Listener(say)
    async with ManagedIdentityCredential(await listener.start(), "secret-header") as identity:
        with pytest.raises(NoToken) as caught:
            await identity.get_token(RESOURCE)
    await listener.stop()
    assert "s3cret" not in f"{caught.value!r} {caught.value.__cause__!r}"
