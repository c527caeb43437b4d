"""Why an exemption is to be looked at, by what the inventory shows and the register has; the message that says so."""

from datetime import datetime
from typing import Any

from guardrails.decisions.watch import Watch
from guardrails.exemption.hint import Hint
from guardrails.exemption.times import spell_time


def difference(watch: Watch, listed: str, ruleset: str, now: datetime, *, closed: bool) -> str:
    """Return why an exemption that the inventory shows is to be looked at; "" where nothing is to be done.

    `listed` is its token now, `ruleset` the digest in force, `closed` whether the breaker lets reverts through.
    """
    if watch.listed != listed:
        return "changed"
    if watch.ruleset != ruleset and not watch.gone:
        return "rules"
    return left_to_do(watch, now, closed=closed)


def left_to_do(watch: Watch, now: datetime, *, closed: bool) -> str:
    """Return why a row is to be looked at, whatever the inventory shows; "" where nothing is left to do.

    `closed`: whether the breaker lets reverts through.
    """
    if 0 < watch.at <= now.timestamp():
        return "due"
    return "held" if watch.held and closed else ""


def sweep_message(exemption: str, hint: Hint) -> dict[str, Any]:
    """Return a message of the `reconcile` queue: look at this exemption, for what a sweep saw of it."""
    message: dict[str, Any] = {"id": exemption, "sweep": True}
    if hint.listed:
        message["listed"] = hint.listed
    if hint.together:
        message["together"] = dict(hint.together)
    times = {"adopt": hint.adopt, "seen": hint.seen}
    return message | {name: spell_time(time) for name, time in times.items() if time}
