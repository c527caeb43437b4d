"""What a sweep reads of the inventory part by part: the next part while this one is compared."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest

from guardrails.decisions.parts import Span
from guardrails.ports import Page
from guardrails.sweep.pages import pages_of


@pytest.mark.parametrize("fails", [False, True])
async def test_the_next_part_is_read_before_this_one_is_compared_to_its_end(*, fails: bool) -> None:
    """`fails`: then what was read ahead is given up."""
    said, closed = list[str](), list[str]()

    async def exemptions(subscriptions: Sequence[str]) -> AsyncGenerator[Page]:
        (one,) = subscriptions
        said.append(f"read {one}")
        try:
            yield Page([{}, {}], 3)
            yield Page([{}], 3)
        finally:
            closed.append(one)

    spans = [Span("a", "b"), Span("b", "c"), Span("c", "d")]
    inventory = cast(Any, SimpleNamespace(exemptions=exemptions))
    with pytest.raises(ValueError, match="x") if fails else nullcontext():
        async with pages_of(inventory, ["a", "b", "c"], spans) as parts:
            for span, pages in zip(spans, parts, strict=True):
                async for _ in pages:
                    pages.look_ahead()
                    await asyncio.sleep(0)
                    said.append(span.low)
                    if fails and said.count("a") == 2:
                        raise ValueError("x")
    whole = ["read a", "a", "read b", "a", "b", "read c", "b", "c", "c"]
    assert said == (whole[:4] if fails else whole)
    assert closed == (["a", "b"] if fails else ["a", "b", "c"])
