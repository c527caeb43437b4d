"""A sweep that outgrows one execution: two processes share it, and one of them is killed in the middle of a part."""

import asyncio

import pytest

from tests.bench_shared import measure

SIZE = 300_000
MOST_SECONDS = 7200
"""For both processes together, on a slow machine."""


@pytest.mark.long
async def test_two_processes_share_a_sweep_of_300_000_and_one_of_them_is_killed() -> None:
    async with asyncio.timeout(MOST_SECONDS):
        found = await measure(SIZE)
    (report,) = found["report"]
    assert (report["seen"], report["adopted"], report["missing"]) == (SIZE, SIZE, [])
    assert (found["rows"], found["entries"]) == (SIZE, SIZE), "each was compared and adopted once"
    assert found["notices"].count("adopted") == 1
    assert len(found["killed_in"]) == 1
    assert all(found["parts"][number] for number in (0, 1))
