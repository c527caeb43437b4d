r"""Build the table of criteria from a built-in initiative of your tenant, and show what changed.

The table lists the criteria under which Azure groups its built-in policies (docs/criteria.md). The command reads Azure
with your own login; the role Reader is enough. It changes nothing in Azure.
  exg criteria build
  exg criteria build --out criteria.json
  exg criteria build --initiative GUID --out iso27001.json

Exit codes: 0 the table in use is up to date, or the new table was written; 1 the tables differ; 2 the table could not
be built.
"""

import argparse
import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from guardrails.cli.options import add_criteria, criteria_of
from guardrails.cli.register_text import writing
from guardrails.cli.screen import Screen
from guardrails.criteria.build import differences, members_to_read, table_of
from guardrails.criteria.table import Table
from guardrails.errors import Misconfigured, Retryable
from guardrails.exemption.counts import number_of
from guardrails.exemption.facts import Gone, Unread
from guardrails.exemption.times import spell_time
from guardrails.runtime.settings import Settings


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="build", required=True)
    build = actions.add_parser(
        "build", help="build a table from a built-in initiative; show what differs from the table in use"
    )
    build.add_argument(
        "--initiative", metavar="GUID", help="the built-in initiative; default: the initiative of the table in use"
    )
    build.add_argument(
        "--out", metavar="FILE", help="write the table; the command replaces the file after it has read everything"
    )
    add_criteria(build)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Build, compare, write."""
    used = criteria_of(args).table
    name = args.initiative or used.source.id
    with screen.progress("policies") as progress:
        built = asyncio.run(_build(name, progress))
    counts = f"{len(built.technical)} policies under {len(built.totals)} criteria; {len(built.manual)} manual policies"
    screen.line(f"{built.source.shown}: {counts}")
    found = list(differences(used, built))
    for line in found:
        screen.line(line, indent=2)
    screen.line(f"{number_of(len(found), 'difference')} from the table in use: {used.source.shown}")
    if args.out:
        with writing(args.out) as write:
            write(built.to_text())
        screen.line(f"written: {args.out}")
    return 1 if found and not args.out else 0


async def _build(name: str, progress: Callable[[int, int], None]) -> Table:
    """Read the initiative and its definitions. Raises Retryable, Misconfigured (no-criteria)."""
    from guardrails.azure.estate import Estate  # noqa: PLC0415 - the SDK's half a second is not for --help
    from guardrails.azure.identity import credential  # noqa: PLC0415

    settings, clock = Settings.read(storage=False), _Clock()
    identity = credential(settings.client_id)
    async with AsyncExitStack() as closing:
        estate = Estate(
            settings.arm_endpoint, identity, clock, audience=settings.arm_audience,
            policy_version=settings.policy_version,
        )  # fmt: skip
        for part in (identity, estate):
            closing.push_async_callback(part.close)
        initiative = await estate.policies.built_in(name)
        if isinstance(initiative, Gone):
            remedy = "Give --initiative the GUID of a built-in initiative of this cloud."
            raise Misconfigured(
                "this built-in initiative does not exist", code="no-criteria", subject=name, remedy=remedy
            )
        if isinstance(initiative, Unread):
            raise Retryable(f"the initiative cannot be read: {initiative.reason}", code="nothing-read", subject=name)
        ids = members_to_read(name, initiative)
        effects: dict[str, str] = {}
        unread: list[str] = []

        async def look(one: str) -> None:
            effect = await estate.policies.effect(one)
            if isinstance(effect, str):
                effects[one] = effect
            else:
                unread.append(f"{one}: {'it does not exist' if isinstance(effect, Gone) else effect.reason}")
            progress(len(effects) + len(unread), len(ids))

        await asyncio.gather(*map(look, ids))
    if unread:
        message = f"{len(unread)} of {len(ids)} policy definitions of the initiative cannot be read: {min(unread)}"
        raise Retryable(message, code="nothing-read", subject=name)
    made_from = {"cloud": settings.arm_endpoint, "read": spell_time(clock.now().replace(microsecond=0))}
    return table_of(name, initiative, effects, made_from)


class _Clock:
    """ports.Clock by the machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)
