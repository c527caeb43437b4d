"""What an outside monitor sees of the app: whether sweeps come by, and nothing of the tenant."""

import json

import pytest

from tests.end_to_end.conftest import CANARY, Site, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def asked(site: Site, method: str = "GET", more: str = "") -> tuple[int, str, dict[str, str]]:
    """Ask the health endpoint, without any key; return status, text and headers."""
    address = f"{site.sandbox.addresses['functions']}/api/health{more}"
    async with site.sandbox.http.request(method, address) as answer:
        return answer.status, await answer.text(), dict(answer.headers)


async def test_who_watches_from_outside_sees_the_age_of_the_last_sweep_and_no_more(site: Site) -> None:
    await site.sandbox.sweep()

    async def look() -> tuple[int, str, dict[str, str]] | None:
        found = await asked(site, more="?whoever=asks")
        return found if found[0] == 200 else None

    status, text, headers = await until(look, "the health endpoint does not see the sweep")
    said = json.loads(text)
    assert (status, said["status"], set(said)) == (200, "ok", {"status", "age"})
    assert 0 <= said["age"] < 3600
    assert headers["Content-Type"].startswith("application/json")
    assert headers["Cache-Control"] == "no-store"
    assert CANARY not in text + str(headers)


async def test_who_asks_by_head_gets_the_same_without_a_body(site: Site) -> None:
    await site.sandbox.sweep()

    async def look() -> tuple[int, str, dict[str, str]] | None:
        found = await asked(site, "HEAD")
        return found if found[0] == 200 else None

    status, text, headers = await until(look, "HEAD does not see the sweep")
    assert (status, text) == (200, "")
    same = {name: headers[name] for name in ("Content-Type", "Content-Length", "Cache-Control")}
    status, text, headers = await asked(site)
    assert (status, int(same["Content-Length"])) == (200, len(text))
    assert same == {name: headers[name] for name in same}


async def test_nothing_can_be_written_there(site: Site) -> None:
    assert (await asked(site, "POST"))[0] == 405
    assert (await asked(site, "DELETE"))[0] == 405
