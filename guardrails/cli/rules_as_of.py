"""`rules --as-of TIME`: print the ruleset that was in force at a time, from the record, to standard output."""

from datetime import datetime

from guardrails.cli.online import with_service
from guardrails.cli.register_text import writing
from guardrails.cli.screen import Screen
from guardrails.decisions.record import Held, held_at, wrong_with
from guardrails.errors import Permanent
from guardrails.exemption.times import read_time, spell_time
from guardrails.wiring import Service


def run(at: datetime, form: str, screen: Screen) -> int:
    """Show the ruleset. Raises Permanent: not-recorded if the record begins later; register-altered."""

    async def work(service: Service) -> tuple[Held, str]:
        if at > service.world.clock.now():
            raise Permanent("the time is in the future", code="not-recorded", remedy="Give an earlier time")
        tip, changes = await service.register.record.tip(), await service.register.record.changes()
        held = held_at(changes, at, tip)
        if held is None and (wrong := wrong_with(changes, tip)):
            raise Permanent(
                f"no ruleset can be shown for {spell_time(at)}: {wrong}",
                code="register-altered", remedy="Run `exg register verify`",
            )  # fmt: skip
        if held is None:
            first = min((one.at for one in changes), default=None)
            begins = f"the record begins at {read_time(first)}" if first else "there is no record yet"
            raise Permanent(
                f"the record has no ruleset for {spell_time(at)}: {begins}", code="not-recorded",
                remedy="To see the digest of the ruleset that judged an exemption, run `exg history ID`",
            )  # fmt: skip
        return held, (await service.register.record.ruleset(held.ruleset.sha256))[0]

    held, text = with_service(work)
    one = held.ruleset
    if form == "json":
        screen.json(
            {
                "ruleset": one.sha256[:12],
                "sha256": one.sha256,
                "mode": one.mode,
                "from": spell_time(one.at),
                "until": spell_time(held.until) if held.until else None,
                "first_used": spell_time(held.first),
                "last_used": spell_time(held.last),
                "unsure": list(held.unsure),
                "text": text,
            }
        )
        return 0
    with writing(None) as write:
        write(text)
    period = f"from {read_time(one.at)} to {read_time(held.until)}" if held.until else f"since {read_time(one.at)}"
    screen.note(f"ruleset {one.sha256[:12]} (sha256 {one.sha256}), mode {one.mode}: in force {period}")
    screen.note(f"its first recorded use: {read_time(held.first)}; its last: {read_time(held.last)}")
    for doubt in held.unsure:
        screen.note(doubt)
    return 0
