"""What is wrong with the record of a tale, for the watchers that must see it."""

import zlib
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

from guardrails.decisions.heads import KeptHeads, Scanned, change, digests_of, head
from guardrails.decisions.record import InForce, RecordedSweep, Tip, UsedRuleset, hash_of
from guardrails.decisions.watch import Run
from guardrails.exemption.body import canonical_json
from guardrails.exemption.times import spell_time
from guardrails.register.columns import split_bytes
from guardrails.register.record_rows import CHAIN, HEADS, in_force_columns, run_columns, run_row, tip_columns
from tests.battery.spoiled.base import Spoiled
from tests.battery.tale import DAY, ONE, TWO, Tale


def recorded(tale: Tale, *, leaves_out: bool = False, report: bool = True, ruleset: bool = True) -> None:
    """Have a tale of two exemptions, and a sweep that recorded it."""
    for one in (ONE, TWO):
        tale.add("judged", one)
        tale.history[one] = [
            replace(entry, hash=sha256(f"{one.key}{entry.seq}".encode()).hexdigest()) for entry in tale.history[one]
        ]
    at, scanned = tale.at + DAY, Scanned()
    for one in (ONE,) if leaves_out else (ONE, TWO):
        scanned.add(one.hash, head(tale.history[one][-1].seq, tale.history[one][-1].hash))
    [step] = change(KeptHeads(), scanned.buckets()).steps
    buckets = [step.buckets.get(number, b"") for number in range(256)]
    digests, used = digests_of(buckets), UsedRuleset(tale.ruleset.text, str(tale.ruleset.mode))
    begun = InForce(1, at, used.sha256, used.mode, "sweep")
    said: dict[str, Any] = {
        "gaps": [], "ruleset": used.sha256, "rulesets": {"changes": 1, "hash": begun.hash},
        "heads": {"step": 1, "digest": sha256(digests).hexdigest()},
        **({"report": {"started": spell_time(at), "seen": 2}} if report else {}),
    }  # fmt: skip
    hash_ = hash_of(canonical_json(said), 1, "", spell_time(at), spell_time(at))
    run = RecordedSweep(at, "holder", said, at, 1, "", hash_, 0, run_row(at, "holder"))
    tip = Tip(
        at, at, run.row, 1, hash_, run.row, 1, used.sha256, used.mode, at, changes=1, changed=begun.hash,
    )  # fmt: skip
    tale.record = {
        CHAIN: tip_columns(tip),
        HEADS: {"step": 1, "digests": digests, "lost": 0},
        **{f"heads~{number:02x}": split_bytes("heads", data) for number, data in step.buckets.items()},
        "past~0000000001": {"anew": "", **split_bytes("undo", zlib.compress(step.undo))},
        "in-force~0000000001": in_force_columns(begun),
        run.row: run_columns(run),
    }
    if ruleset:
        tale.record[f"ruleset~{used.sha256}"] = {"text": zlib.compress(used.text.encode())}
    tale.swept = Run(at, "holder", None, report={"started": spell_time(at), "seen": 2})


def row_changed(tale: Tale, wrong: bool) -> None:
    """A hand is in the chain."""
    recorded(tale)
    if wrong:
        tale.record[CHAIN]["mode"] = "enforce?"


def entry_lost(tale: Tale, wrong: bool) -> None:
    """A history is another than the one that the sweep recorded."""
    recorded(tale)
    if wrong:
        tale.history[TWO] = [replace(tale.history[TWO][0], hash="0" * 64)]


def history_left_out(tale: Tale, wrong: bool) -> None:
    """The sweep recorded one history of two."""
    recorded(tale, leaves_out=wrong)


def without_report(tale: Tale, wrong: bool) -> None:
    """The sweep says nothing of what it saw."""
    recorded(tale, report=not wrong)


def another_report(tale: Tale, wrong: bool) -> None:
    """The sweep saw something else than it recorded."""
    recorded(tale)
    if wrong:
        tale.swept = replace(tale.swept, report={**tale.swept.report, "seen": 3})


def ruleset_lost(tale: Tale, wrong: bool) -> None:
    """The text of the ruleset that decided is not kept."""
    recorded(tale, ruleset=not wrong)


SPOILED: Final[Spoiled] = {
    "the_record_is_sound": (row_changed, entry_lost),
    "a_sweep_in_calm_is_recorded": (history_left_out, without_report, another_report),
    "each_ruleset_that_decided_is_recorded": (ruleset_lost,),
}
