"""`check --online`: what Azure says of the assignments that checked code names. Read-only, with one's own login."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from guardrails.check.azure_objects import AzureObjects, key_of
from guardrails.errors import Permanent, Retryable
from guardrails.exemption.facts import NO_POLICIES, Assignment, Gone, PoliciesById, Unread
from guardrails.runtime.settings import Settings

AT_ONCE: Final = 8
"""Assignments that are asked for at the same time."""
MOST: Final = 2_000
"""Assignments that are asked for in one run: strangers name them."""

_TOO_MANY: Final = Unread(f"the code names more than {MOST:,} assignments; the others were not asked for")


def ask(azure: AzureObjects, ids: Iterable[str], *, policies: bool) -> AzureObjects:
    """Return what is known of Azure, with these assignments as Azure has them now.

    `policies`: what their policies say of themselves is asked, too. Raises nothing: what could not be read is Unread.
    """
    wanted = {key_of(one): one for one in ids if key_of(one) not in azure.asked}
    some = list(wanted)[:MOST]
    found: dict[str, Assignment | Gone | Unread] = dict.fromkeys(wanted, _TOO_MANY)
    quiet = logging.NullHandler()  # each failure is the reason of a finding; standard error is for the notes
    logging.getLogger("guardrails").addHandler(quiet)
    try:
        answers, known = asyncio.run(_ask({key: wanted[key] for key in some}, policies=policies))
    except (Retryable, Permanent) as error:
        answers, known = dict.fromkeys(some, Unread(f"Azure was not asked: {error.message}")), NO_POLICIES
    finally:
        logging.getLogger("guardrails").removeHandler(quiet)
    return azure.with_asked({**azure.asked, **found, **answers}, {**azure.policies_asked, **known})


async def _ask(
    wanted: Mapping[str, str], *, policies: bool
) -> tuple[dict[str, Assignment | Gone | Unread], PoliciesById]:
    from guardrails.azure.arm import ArmRest  # noqa: PLC0415 - the SDK's half a second is for this option only
    from guardrails.azure.identity import Remembered, credential  # noqa: PLC0415

    settings = Settings.read(storage=False)
    identity = Remembered(credential(settings.client_id))
    arm = ArmRest(
        settings.arm_endpoint, identity, _Clock(), audience=settings.arm_audience,
        version=settings.exemptions_version, policy_version=settings.policy_version,
    )  # fmt: skip
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(text: str) -> Assignment | Gone | Unread:
        async with gate:
            try:
                return await arm.assignment(text)
            except Retryable as error:
                return Unread(error.message)

    try:
        found = dict(zip(wanted, await asyncio.gather(*map(one, wanted.values())), strict=True))
        exempted = {policy for said in found.values() for policy in _policies(said)} if policies else set[str]()
        known = await arm.policies(exempted) if exempted else NO_POLICIES
    finally:
        await asyncio.gather(arm.close(), identity.close())
    return found, known


def _policies(said: Assignment | Gone | Unread) -> Iterable[str]:
    if not isinstance(said, Assignment):
        return ()
    if not said.is_initiative:
        return (said.definition_id.lower(),)
    return () if isinstance(said.members, Unread) else said.members.values()


class _Clock:
    """ports.Clock by the machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)
