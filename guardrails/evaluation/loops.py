"""The turns of loops, and how many Azure allows. Pure."""

from typing import Final

from guardrails.evaluation.expressions import Loop
from guardrails.evaluation.frames import Env
from guardrails.evaluation.functions.base import is_int, kind
from guardrails.evaluation.values import EngineError, Place, Unknown, Value

AZURE_TURNS: Final = 800
"""Turns of one loop that Azure allows."""
MOST_TURNS: Final = 10_000
"""Turns beyond which a loop over values is refused; from AZURE_TURNS on that is not known for certain."""


def turns_of(loop: Loop, count: Value, env: Env, *, innermost: bool) -> list[Env] | Unknown:
    """Return the environment of each turn of an ARM loop. Raises EngineError for a count that is refused."""
    if isinstance(count, Unknown):
        return count
    if not is_int(count) or count < 0:
        raise EngineError(f"the loop {loop.name!r} cannot run {count!r} times", loop.place)
    if count > AZURE_TURNS:
        return _too_many(count, loop.place, surely=innermost)
    return [env.with_turn(loop.name, number, innermost=innermost) for number in range(count)]


def turns_over(loop: Loop, items: Value, env: Env, *, surely: bool) -> list[Env] | Unknown:
    """Return the environment of each turn of a Bicep loop. Raises EngineError for items that are refused."""
    if isinstance(items, Unknown):
        return items
    if not isinstance(items, list):
        raise EngineError(f"a loop runs over an array, not {kind(items)}", loop.place)
    if len(items) > AZURE_TURNS:
        return _too_many(len(items), loop.place, surely=surely)
    return [
        env.with_locals({loop.name: item} if loop.index is None else {loop.name: item, loop.index: number})
        for number, item in enumerate(items)
    ]


def _too_many(count: int, place: Place, *, surely: bool) -> Unknown:
    """Return Unknown for a loop longer than Azure documents. Raises EngineError where it is `surely` refused."""
    if surely or count > MOST_TURNS:
        raise EngineError(f"a loop runs {count} times, and Azure allows {AZURE_TURNS} turns", place)
    return Unknown(f"a loop of {count} turns is not computed: Azure allows {AZURE_TURNS}", place, doubt=True)
