"""Delivery: what becomes of a message of the `notices` queue. Nothing is lost, and no rate limit is exceeded.

A message is acknowledged when its notice was taken by the channel, is collected in the register, is on the queue
again, or is kept as a dead letter. A crash before that brings the message back, with the same notice id.
"""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Any, Final

from guardrails.dataclass import dataclass, replace
from guardrails.decisions import notify
from guardrails.delivery.dead_letters import DeadLetterQueue, read_attempt, read_object
from guardrails.errors import Misconfigured, Retryable
from guardrails.exemption.times import spell_time
from guardrails.notices import route_state as rate_limits_of
from guardrails.notices.digest import (
    GRACE,
    KEPT,
    MOST,
    REMINDERS,
    Closing,
    Kept,
    Window,
    admit,
    compose,
    digest_id,
    end_of,
    is_daily,
    route_of,
    windows_before,
    woken,
)
from guardrails.notices.notice import Kind, Notice
from guardrails.notices.rate_limit import (
    MAX_ATTEMPTS,
    attempts_after,
    backoff,
    comes_back,
    hold,
    missed,
    moment,
    take_slot,
)
from guardrails.notices.route_state import RateLimit, RouteState
from guardrails.notices.routing import Route
from guardrails.ports import Channels, Clock, Delivered, Delivery, DigestItems, Queues, RateLimits, TryAgain
from guardrails.ruleset.model import Ruleset
from guardrails.runtime.telemetry import Fact, fact

log = logging.getLogger("guardrails")

_RULESET_DELAY: Final = 300.0
_STORE_DELAY: Final = 10.0
_LONGEST_PROBE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Parcel:
    """A notice on its way to one route.

    Attributes:
        attempt: how often the channel was asked.
        slot: the moment that was promised to it, UTC; None where it has none.
    """

    route: str
    notice: Notice
    attempt: int = 0
    slot: datetime | None = None

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "Parcel":
        """Read a message. Raises ValueError."""
        route, notice = data.get("route"), data.get("notice")
        if not isinstance(route, str) or not isinstance(notice, Mapping):
            raise ValueError("it has no route or no notice")
        slot = data.get("slot")
        at = moment(slot) if type(slot) is int else None
        return cls(route, Notice.from_json(notice), read_attempt(data), at)

    def message(self) -> dict[str, Any]:
        """Return it as a message."""
        body = {"route": self.route, "notice": self.notice.to_json(), "attempt": self.attempt}
        return {**body, "slot": round(self.slot.timestamp() * 1000)} if self.slot else body

    @property
    def name(self) -> str:
        """The name that its dead letter is kept under."""
        return f"{self.notice.id}-{self.route}"

    @property
    def admitted(self) -> bool:
        """Whether its window has counted it, so that it is not collected any more."""
        return self.attempt > 0 or self.slot is not None


@dataclass(frozen=True, slots=True)
class _Turn:
    """What the rate limit allows: go at `slot` (None: now), wait in `window`, or stay away since the route is `shut`.

    `taken`: another instance is handing over this very digest.
    """

    slot: datetime | None = None
    window: Window | None = None
    shut: RouteState | None = None
    taken: bool = False


class Courier:
    """The use case of the `notices` queue.

    Args:
        channels, queues, clock: where notices go, where messages wait, the present.
        rate_limits, digest_items: what all instances share.
        dead_letters: keeps what failed, and notifies people of it; knows the fallback routes.
        ruleset: returns the ruleset in force; raises Misconfigured.
        sleep, chance: wait some seconds; a number from 0 to 1 that spreads retries.
    """

    def __init__(
        self,
        channels: Channels,
        *,
        queues: Queues,
        clock: Clock,
        rate_limits: RateLimits,
        digest_items: DigestItems,
        dead_letters: DeadLetterQueue,
        ruleset: Callable[[], Ruleset],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._channels = channels
        self._queues = queues
        self._clock = clock
        self._rate_limits = rate_limits
        self._digest_items = digest_items
        self._dead_letters = dead_letters
        self._ruleset = ruleset
        self._sleep = sleep
        self._chance = chance

    async def deliver(self, text: str) -> bool:
        """Work off one message. Return whether a channel took a notice."""
        try:
            data = read_object(text)
            work = Closing.read(data) or Parcel.read(data)
        except ValueError as error:
            if await self._dead_letters.keep_dead_letter("notices", text, f"not a notice: {error}", text):
                fact(Fact.POISON, queue="notices")
            return False
        try:
            return await (self._carry(work) if isinstance(work, Parcel) else self._close(work))
        except Retryable as error:
            log.warning("a notice waits for the store: %s", error)
            await self._queues.send("notices", data, max(error.delay or 0.0, _STORE_DELAY))
        except Misconfigured as error:
            if error.code != "ruleset-broken":  # that is reported elsewhere
                log.error("a notice waits until the app has its right to read the table: %s", error)  # noqa: TRY400
            await self._queues.send("notices", data, _RULESET_DELAY)
        return False

    async def poisoned(self, text: str) -> None:
        """Keep a message that the host gave up on, and notify people: it is a defect of ours, or of the store."""
        reason = "the host gave up on it after repeated failures"
        log.error("a message of the queue notices is kept as a dead letter: %s", reason)
        try:
            parcel = Parcel.read(read_object(text))
        except ValueError:
            key, done = f"notices-{self._clock.now():%Y%m%d}", "It is kept as a dead letter of the queue notices."
            notice = notify.service(Kind.POISON, key, at=self._clock.now(), done=done, why=(reason,))
            await self._dead_letters.keep_dead_letter_and_notify("notices", text, reason, text, notice=notice)
            return
        await self._give_up(parcel, _rate_limit_name(self._route_or_none(parcel.route)), reason)

    async def probe(self, route: str) -> Delivery:
        """Send a test notice to a route, at its pace, disabled or not, and return what the channel said of it."""
        found = self._route_or_none(route)
        if found is not None:
            slot = await self._another_slot(found)
            wait = (slot - self._clock.now()).total_seconds() if slot else 0.0
            if wait > _LONGEST_PROBE:
                return TryAgain(f"route '{route}' is busy: {wait / 60:.0f} minutes of notices go before the test")
            await self._sleep(max(wait, 0.0))
        now = self._clock.now()
        about = {"since": spell_time(now), "total": 0, "kinds": {}, "severities": {}, "rules": {}}
        notice = Notice(
            id=f"test-{route}-{now:%Y%m%dT%H%M%S}", kind=Kind.DIGEST, severity="info", at=now,
            title="A test of this route", exemption={}, findings=(), actor="", digest=about,
            done="Nothing happened: an operator wants to know whether notices arrive here.", why=(),
            next="Nothing is to be done.",
        )  # fmt: skip
        return await self._channels.deliver(notice, route)

    async def _carry(self, parcel: Parcel) -> bool:
        """Take a parcel as far as it gets now."""
        route = self._route(parcel.route)
        name = _rate_limit_name(route)
        if route is None:
            reason, day = f"the ruleset has no route '{parcel.route}'; add it, then replay", self._clock.now()
            await self._give_up(parcel, name, reason, f"no-route-{day:%Y%m%d}")
            return False
        if parcel.notice.kind is Kind.DIGEST and await self._digest_items.was_delivered(parcel.notice.id):
            return False  # another message has brought it there
        turn = await self._turn(parcel, route)
        if turn.shut is not None:
            await self._refuse(parcel, name, turn.shut)
            return False
        if turn.window is not None:
            await self._collect(parcel, name, turn.window)
            return False
        if turn.taken:  # it may yet die: then this one does it
            await self._queues.send("notices", parcel.message(), rate_limits_of.DIGEST_LEASE.total_seconds())
            return False
        later = await self._wait(route, turn.slot)
        if later is not None:
            slot, wait = later
            await self._queues.send("notices", replace(parcel, slot=slot).message(), wait)
            return False
        return await self._hand_over(parcel, name)

    async def _turn(self, parcel: Parcel, route: Route) -> _Turn:
        """Ask the rate limit. What comes back in time for its slot only looks whether the route is still in use."""
        name = rate_limit_name(route)
        daily = self._ruleset().reminder_at if parcel.notice.kind in REMINDERS else timedelta()
        if parcel.slot is not None and not missed(parcel.slot, self._clock.now()):
            state = (await self._rate_limits.look(name)).route(route.name)
            return _Turn(shut=state) if state.disabled_at else _Turn(parcel.slot)

        def step(rate_limit: RateLimit) -> tuple[RateLimit, _Turn]:
            now, state, window = self._clock.now(), rate_limit.route(route.name), None
            if state.disabled_at:
                return rate_limit, _Turn(shut=state)
            if not parcel.admitted:
                rate_limit, window = admit(rate_limit, route, parcel.notice.kind, now, daily)
            if window is not None:
                return rate_limit, _Turn(window=window)
            digest = parcel.notice.id if parcel.notice.kind is Kind.DIGEST else ""
            if digest and rate_limits_of.taken_on(rate_limit, route.name, digest, now):
                return rate_limit, _Turn(taken=True)
            rate_limit, slot = take_slot(rate_limit, route.channel, now)
            return rate_limits_of.take_on(rate_limit, route.name, digest, slot or now) if digest else rate_limit, _Turn(
                slot
            )

        return await self._rate_limits.change(name, step)

    async def _wait(self, route: Route, slot: datetime | None) -> tuple[datetime, float] | None:
        """Wait until the slot is there; or return a slot and the seconds after which to come back for it."""
        misses = 0
        while slot is not None:
            now = self._clock.now()
            wait = comes_back(slot, now)
            if wait:
                return slot, wait
            await self._sleep(max((slot - now).total_seconds(), 0.0))
            if not missed(slot, self._clock.now()):
                return None
            misses += 1
            slot = await self._another_slot(route, misses)
        return None

    async def _another_slot(self, route: Route, misses: int = 0) -> datetime | None:
        def step(rate_limit: RateLimit) -> tuple[RateLimit, datetime | None]:
            return take_slot(rate_limit, route.channel, self._clock.now(), misses)

        return await self._rate_limits.change(rate_limit_name(route), step)

    async def _hand_over(self, parcel: Parcel, name: str) -> bool:
        """Ask the channel, and see to what it says."""
        notice = parcel.notice
        answer = await self._channels.deliver(notice, parcel.route)
        if isinstance(answer, Delivered):
            if notice.kind is Kind.DIGEST:
                await self._digest_items.delivered(notice.id)
            _log_state(parcel, "delivered")
            return True
        waits = isinstance(answer, TryAgain) and answer.waits
        tried = replace(parcel, attempt=attempts_after(parcel.attempt, waits=waits), slot=None)
        if isinstance(answer, TryAgain) and (waits or tried.attempt < MAX_ATTEMPTS):
            wait = backoff(parcel.attempt, answer.delay, chance=self._chance())
            if notice.kind is Kind.DIGEST:  # until then it is left to this attempt, which is over
                wait = max(wait, rate_limits_of.DIGEST_LEASE.total_seconds())
            text = "notice %s to %s: %s; attempt %d in %.0f s"
            log.warning(text, notice.id, parcel.route, answer.reason, tried.attempt + 1, wait)
            _log_state(tried, "retry")
            if answer.delay:
                asked, now = answer.delay, self._clock.now()
                await self._rate_limits.change(name, lambda rate_limit: hold(rate_limit, asked, now))
            await self._queues.send("notices", tried.message(), wait)
        elif not isinstance(answer, TryAgain) and answer.disable:
            now = self._clock.now()
            disable = partial(rate_limits_of.disabled, route=parcel.route, why=answer.reason, now=now)
            state = await self._rate_limits.change(name, disable)
            await self._refuse(tried, name, state)
        else:
            await self._give_up(tried, name, answer.reason)
        return False

    async def _collect(self, parcel: Parcel, rate_limit: str, window: Window) -> None:
        """Put a notice into the register, and see to it that a message closes its window."""
        if is_daily(window.box) and parcel.notice.at < end_of(window.name, timedelta()):
            found = await self._for_late(parcel.notice, window)
            if found is None:
                log.info("reminder %s has been in a digest; it came twice", parcel.notice.id)
                return
            window = found
        await self._digest_items.add(window.box, window.name, parcel.notice)
        closing = Closing(window.box, window.name, window.length)
        if not window.woken:
            await self._wake(closing)
            await self._rate_limits.change(rate_limit, partial(woken, window=window))
        now = self._clock.now()
        if now >= closing.end:  # its digest may just have been made: the next one takes it
            await self._wake(closing.at(now))

    async def _for_late(self, notice: Notice, window: Window) -> Window | None:
        """Return the window for a reminder that was decided before the present one; None where a digest had it.

        Where the digest of the window that just closed is not made yet, it takes it.
        """
        last, *earlier = (name for name in windows_before(window) if end_of(name, window.length) > notice.at)
        made = [digest async for digest in self._digests(window.box, last)]
        if not made:
            window = replace(window, name=last, woken=False)
        made += [digest for name in earlier async for digest in self._digests(window.box, name)]
        return None if any(notice.id in digest.members for digest in made) else window

    async def _digests(self, box: str, window: str) -> AsyncIterator[Kept]:
        """Yield the digests that were made of a window."""
        for part in count(1):
            kept = await self._digest_items.kept(digest_id(box, window, part))
            if kept is None:
                return
            yield kept

    async def _wake(self, closing: Closing) -> None:
        wait = (closing.end + GRACE - self._clock.now()).total_seconds()
        await self._queues.send("notices", closing.message(), max(wait, 1.0))

    async def _close(self, closing: Closing) -> bool:
        """Make the digest of a window, once, and send it."""
        box, now = closing.box, self._clock.now()
        if now < closing.end:
            await self._wake(closing)
            return False
        while (kept := await self._kept(closing)) is not None and kept.notice.at < closing.end:
            closing = closing.following  # a shorter window made it, which began at the same time
        if kept is None:
            sent = await self._digest_items.open_members(box)
            found = [one for one in await self._digest_items.waiting(box, closing.window) if one.notice.id not in sent]
            if not found:
                return False
            if len(found) > MOST and not is_daily(box):
                await self._wake(closing.at(now))
            kept = await self._digest_items.keep(compose(box, closing.window, found, now, closing.part))
            await self._digest_items.prune(now - KEPT)
        if is_daily(box) and len(kept.entries) >= MOST:  # the rest does not wait a day
            await self._wake(closing.following)
        return await self._carry(Parcel(route_of(box), kept.notice))

    async def _kept(self, closing: Closing) -> Kept | None:
        return await self._digest_items.kept(digest_id(closing.box, closing.window, closing.part))

    async def _refuse(self, parcel: Parcel, name: str, state: RouteState) -> None:
        """Keep a notice for a route that is disabled, unless it was enabled meanwhile: then the notice goes on.

        Whoever enabled it may have replayed its dead letters before this one was kept: nobody would know of this one.
        """
        since = f" since {state.disabled_at:%Y-%m-%d %H:%M} UTC" if state.disabled_at else ""
        await self._give_up(parcel, name, f"the route is disabled{since}: {state.disabled_why}", state.trouble)
        if (await self._rate_limits.look(name)).route(parcel.route).disabled_at is None:
            log.warning("notice %s goes on: the route %s was enabled meanwhile", parcel.notice.id, parcel.route)
            await self._queues.send("notices", replace(parcel, slot=None).message())
            await self._dead_letters.drop("notices", parcel.name)

    async def _give_up(self, parcel: Parcel, name: str, reason: str, trouble: str = "") -> None:
        """Keep a notice as a dead letter, and notify the other routes: once a day, or once for a disabled route."""
        route, notice = parcel.route, parcel.notice
        log.error("notice %s to %s failed for good: %s", notice.id, route, reason)
        _log_state(parcel, "failed")
        text = json.dumps(replace(parcel, slot=None).message())
        await self._dead_letters.keep_dead_letter("notices", text, reason, parcel.name, parcel.attempt)
        now = self._clock.now()
        trouble = trouble or f"{now:%Y%m%d}"
        if not await self._rate_limits.change(
            name, lambda rate_limit: rate_limits_of.claimed(rate_limit, route, trouble, now)
        ):
            return
        if trouble.startswith(rate_limits_of.DISABLED):
            done = f"Nothing more is sent to the route {route}; its notices are kept."
            following = f"Fix its address, then: exg notices enable {route}"
        else:
            done = f"A notice for the route {route} is kept as a dead letter; others may follow."
            following = f"Fix it, try it with: exg notices test {route}"
        following += ", then: exg notices replay --all"
        failing = notify.service(Kind.DELIVERY_FAILING, f"{route}-{trouble}", at=now, done=done, why=(reason,))
        if not await self._dead_letters.notify(replace(failing, next=following), but=route):
            log.error("nobody is notified that the route %s fails: no other route, and no fallback", route)
        await self._rate_limits.change(name, lambda rate_limit: rate_limits_of.notified(rate_limit, route, trouble))

    def _route(self, name: str) -> Route | None:
        """Return a route. Raises Misconfigured while the ruleset, which might have it, is broken."""
        fallback = next((route for route in self._dead_letters.fallback if route.name == name), None)
        return fallback or next((route for route in self._ruleset().routes if route.name == name), None)

    def _route_or_none(self, name: str) -> Route | None:
        try:
            return self._route(name)
        except Misconfigured:
            return None


def _log_state(parcel: Parcel, state: str) -> None:
    """Log what became of a notice."""
    notice, about = parcel.notice, str(parcel.notice.exemption.get("id") or "")
    fact(
        Fact.NOTICE, id=notice.id, kind=str(notice.kind), route=parcel.route, state=state, exemption=about,
        attempt=parcel.attempt,
    )  # fmt: skip


def rate_limit_name(route: Route) -> str:
    """Return the name of a route's rate limit: routes that share channel and address setting share it."""
    return f"{route.channel}-{route.address_setting}"


def _rate_limit_name(route: Route | None) -> str:
    return rate_limit_name(route) if route else "no-route"
