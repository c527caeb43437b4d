"""Hand over: what a sweep found goes on the `reconcile` queue, and is counted by its reason."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from guardrails.decisions.watch import Run
from guardrails.exemption.hint import Hint
from guardrails.ports import Queues
from guardrails.sweep.differences import sweep_message
from guardrails.sweep.patience import patiently
from guardrails.sweep.report import Report

AT_ONCE: Final = 32
"""Requests that are made at the same time."""


class HandOver:
    """The messages that are to be sent. `report`: where they are counted."""

    def __init__(self, queues: Queues, run: Run, report: Report) -> None:
        self._queues = queues
        self._run = run
        self._report = report
        self._messages: list[tuple[Mapping[str, Any], float]] = []

    def add(
        self,
        why: str,
        exemption: str,
        listed: str = "",
        *,
        delay: float = 0.0,
        adopt: datetime | None = None,
        together: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Hand over an exemption, with what the inventory shows of it; it is sent by the next `send`."""
        hint = Hint("sweep", listed=listed, adopt=adopt, seen=self._run.started, together=together)
        self._report.queued[why] += 1
        self._messages.append((sweep_message(exemption, hint), delay))

    async def send(self) -> None:
        """Put what was handed over on the queue. Raises Retryable."""
        messages, self._messages = self._messages, []
        for at in range(0, len(messages), AT_ONCE):
            some = messages[at : at + AT_ONCE]
            await asyncio.gather(*(patiently(partial(self._queues.send, "reconcile", *one)) for one in some))
