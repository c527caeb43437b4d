"""The cache of facts: one fetch at a time, each value for as long as it deserves."""

import asyncio
from datetime import timedelta

import pytest

from guardrails.azure.cache import Cache
from tests.clock import VirtualClock


class Source:
    """Counts what it is asked, and answers when it is let."""

    def __init__(self, *, hold: bool = False) -> None:
        self.asked = 0
        self.error: Exception | None = None
        self.go = asyncio.Event()
        if not hold:
            self.go.set()

    async def __call__(self) -> str:
        self.asked += 1
        await self.go.wait()
        if self.error:
            raise self.error
        return f"value {self.asked}"


def lifetime(value: str) -> timedelta:
    return timedelta(minutes=10) if value == "value 1" else timedelta(seconds=5)


@pytest.fixture
def cache(clock: VirtualClock) -> Cache[str]:
    return Cache(clock, lifetime, limit=3)


async def test_many_at_once_share_one_fetch(cache: Cache[str]) -> None:
    source = Source(hold=True)
    asking = [asyncio.create_task(cache.get("a", source)) for _ in range(50)]
    await asyncio.sleep(0)
    source.go.set()
    assert set(await asyncio.gather(*asking)) == {"value 1"}
    assert source.asked == 1


async def test_an_exception_goes_to_all_who_wait_and_is_not_kept(cache: Cache[str]) -> None:
    source = Source(hold=True)
    source.error = ValueError("no")
    asking = [asyncio.create_task(cache.get("a", source)) for _ in range(5)]
    await asyncio.sleep(0)
    source.go.set()
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(one, ValueError) for one in found)
    assert source.asked == 1
    source.error = None
    assert await cache.get("a", source) == "value 2"


async def test_who_gives_up_does_not_take_the_fetch_from_the_others(cache: Cache[str]) -> None:
    source = Source(hold=True)
    hasty = asyncio.create_task(cache.get("a", source))
    patient = asyncio.create_task(cache.get("a", source))
    await asyncio.sleep(0)
    hasty.cancel()
    source.go.set()
    assert await patient == "value 1"
    assert hasty.cancelled()
    assert source.asked == 1


async def test_a_fetch_that_nobody_waits_for_any_more_is_kept_nonetheless(cache: Cache[str]) -> None:
    source = Source(hold=True)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await cache.get("a", source)
    source.go.set()
    assert await cache.get("a", source) == "value 1"
    assert source.asked == 1


async def test_each_value_has_its_own_lifetime(cache: Cache[str], clock: VirtualClock) -> None:
    source = Source()
    assert await cache.get("a", source) == "value 1"
    clock.advance(minutes=9, seconds=59)
    assert await cache.get("a", source) == "value 1"
    clock.advance(seconds=1)
    assert await cache.get("a", source) == "value 2"  # kept for 5 s only
    clock.advance(seconds=4)
    assert await cache.get("a", source) == "value 2"
    clock.advance(seconds=1)
    assert await cache.get("a", source) == "value 3"


async def test_the_oldest_goes_first(cache: Cache[str]) -> None:
    sources = {key: Source() for key in "abcd"}
    for key in "abcd":
        await cache.get(key, sources[key])
    for key in "bcd":
        assert await cache.get(key, sources[key]) == "value 1"
    assert await cache.get("a", sources["a"]) == "value 2"
    assert [source.asked for source in sources.values()] == [2, 1, 1, 1]


async def test_a_clock_that_is_set_back_makes_nothing_fresh(cache: Cache[str], clock: VirtualClock) -> None:
    source = Source()
    await cache.get("a", source)
    clock.advance(minutes=-30)
    assert await cache.get("a", source, max_age=timedelta()) == "value 2"


async def test_an_answer_is_as_old_as_its_question(cache: Cache[str], clock: VirtualClock) -> None:
    source = Source(hold=True)
    asking = asyncio.create_task(cache.get("a", source))
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # now it is asked
    assert source.asked == 1
    clock.advance(seconds=20)
    source.go.set()
    await asking
    assert await cache.get("a", source, max_age=timedelta(seconds=20)) == "value 2"
