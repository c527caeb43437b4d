"""No secret is ever logged, whatever fails."""

import asyncio
import re
from functools import partial
from typing import Any

import pytest

from guardrails.decisions.row import Status
from guardrails.delivery.deliver import rate_limit_name
from guardrails.notices.route_state import enabled
from guardrails.ruleset.model import load_ruleset
from sandbox.azurite import KEY
from sandbox.identity import token_for
from sandbox.sink import DEFAULT_SECRET
from sandbox.stack import RULESET
from sandbox.tenant import Actor

from .conftest import CANARY, Site, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


BOB = Actor("Bob", token_for("Bob", "bbbbbbbb-1111-4222-8333-444455556666", upn="bob@contoso.com"))
"""Somebody whose budget of reverts no other test uses up."""

TROUBLES: list[dict[str, Any]] = [{"status": 400}, {"status": 500}, {"drop": True}, {"status": 302}, {"status": 410}]


async def received(site: Site) -> list[dict[str, Any]]:
    """What came to the channels, the oldest first."""
    return list(await site.sandbox.control("GET", "received", part="sink"))


async def refused(site: Site, before: int) -> set[str]:
    """The channels that refused a notice since `before` had come, once both did: a new one, or one tried again."""
    channels = {one["channel"] for one in (await received(site))[before:] if not 200 <= one["status"] < 300}
    return channels if len(channels) == 2 else set()


async def test_no_secret_is_in_the_log_of_the_functions(site: Site, path: str) -> None:
    for number, how in enumerate(TROUBLES):
        await site.sandbox.control("POST", "fail", {"count": None} | how, part="sink")
        name, before = f"{path}-{number}", len(await received(site))
        await site.put(name, BOB)
        await site.settled(name, Status.GONE, "reverted")
        await until(lambda before=before: refused(site, before), "no notice was tried")  # type: ignore[misc]

    async def retried() -> str:
        said = site.log.read_text(encoding="utf-8", errors="replace")
        return said if re.search(r"attempt 2 in \d+ s", said) else ""

    await until(retried, "no retry is in the log")
    await asyncio.sleep(0.2)  # for the last line
    said = site.log.read_text(encoding="utf-8", errors="replace")
    secrets = (CANARY, DEFAULT_SECRET, DEFAULT_SECRET.removeprefix("whsec_"), KEY, "AccountKey",
               site.sandbox.environment["IDENTITY_HEADER"])  # fmt: skip
    assert [secret for secret in secrets if secret in said] == []
    assert re.search(r"eyJ[\w-]{10,}\.", said) is None  # a token
    await site.sandbox.control("POST", "fail", {"count": 0}, part="sink")
    for route in load_ruleset(RULESET).routes:  # a 410 has disabled them, for all tests that follow
        await site.register.rate_limits.change(rate_limit_name(route), partial(enabled, route=route.name))
