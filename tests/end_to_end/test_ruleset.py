"""A broken ruleset: no action on anything, one alert; once it is fixed, all is judged."""

import asyncio
import json

import pytest

from guardrails.decisions.row import Status
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.notices.notice import TITLES, Kind
from sandbox import tenant
from sandbox.tenant import ALICE, exemption_id

from .conftest import Site, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_broken_ruleset_stops_everything_and_is_notified_once(site: Site) -> None:
    file, paths = site.sandbox.ruleset, [exemption_id(tenant.RESOURCE, f"unjudged-{n}") for n in range(5)]
    good = file.read_text()
    known = len(await site.notices("teams"))
    await site.sandbox.stop_functions()
    try:
        file.write_text(good[: len(good) // 2] + "\n  - [")  # as half written
        await site.sandbox.start_functions()
        await asyncio.gather(*(site.put(path, ALICE) for path in paths))
        bodies = [await site.body(path) for path in paths]

        async def cards() -> list[str]:  # a card of a test before may still come
            bodies = [one["body"] for one in (await site.notices("teams"))[known:]]
            return [body for body in bodies if TITLES[Kind.RULESET_BROKEN] in body]

        await until(cards, "nobody was notified")

        async def answered() -> bool:
            return bool((await site.sandbox.functions_status())["on_exemption_written"]["successes"] == len(paths))

        await until(answered, "an event was not answered")
        assert [await site.body(path) for path in paths] == bodies
        assert None not in bodies
        assert [await site.register.read(ExemptionId.parse(path)) for path in paths] == [None] * 5
        assert len(await cards()) == 1
        await site.sandbox.stop_functions()
    finally:
        file.write_text(good)
        await site.sandbox.stop_functions()
        await site.sandbox.start_functions()
    for path in paths:
        await site.enqueue("reconcile", json.dumps({"id": path}))
        await site.settled(path, Status.GONE, "reverted")
