"""The heads of all histories: what a scan changes, what it does not find, and the way back to each earlier state."""

import hashlib
import random
import zlib

import pytest

from guardrails.decisions.heads import (
    EMPTY,
    NONE,
    SIZE,
    Buckets,
    Change,
    KeptHeads,
    Scanned,
    after,
    change,
    digest_of,
    digests_of,
    head,
    read,
    undone,
)
from guardrails.register.table import MOST_BYTES, MOST_OPERATIONS

CHANCE = random.Random(7)  # noqa: S311


def key(number: int) -> bytes:
    return hashlib.sha1(str(number).encode()).digest()  # noqa: S324


def value(seq: int, of: int = 0) -> bytes:
    return head(seq, hashlib.sha256(f"{seq}/{of}".encode()).hexdigest())


def scan(heads: dict[bytes, bytes]) -> Buckets:
    scanned = Scanned()
    for one in CHANCE.sample(sorted(heads), len(heads)):
        scanned.add(one, heads[one])
    return scanned.buckets()


def taken(kept: KeptHeads, found: Change) -> tuple[KeptHeads, list[bytes]]:
    """Take all steps; return the heads then, and what each step replaced."""
    undo = []
    for step in found.steps:
        kept = after(kept, step, found.lost)
        undo.append(step.undo)
    return kept, undo


def test_the_digest_is_of_all_heads_in_order_and_the_same_scan_changes_nothing() -> None:
    heads = {key(number): value(1 + number % 5, number) for number in range(1000)}
    kept, _ = taken(KeptHeads(), change(KeptHeads(), scan(heads)))
    buckets = [b"".join(k + v for k, v in sorted(heads.items()) if k[0] == number) for number in range(256)]
    expected = hashlib.sha256(b"".join(hashlib.sha256(bucket).digest() for bucket in buckets)).hexdigest()
    assert (kept.digest, kept.count) == (expected, 1000)
    assert change(kept, scan(heads)) == Change()


def test_a_history_by_chance_can_be_gone_back_step_by_step() -> None:
    heads: dict[bytes, bytes] = {}
    kept, past = KeptHeads(), list[tuple[str, list[bytes]]]()
    for turn in range(20):
        for number in CHANCE.sample(range(400), 60):
            heads[key(number)] = value(turn + 1, number)
        before = kept.digest
        kept, undo = taken(kept, change(kept, scan(heads)))
        past.append((before, undo))
    buckets = list(kept.buckets)
    for digest, undo in reversed(past):
        for one in reversed(undo):
            assert {*undone(buckets, one)} == {k[0] for k in read(one)}
        assert digest_of(digests_of(buckets)) == digest
    assert tuple(buckets) == EMPTY


def test_one_that_is_missing_stays_and_is_counted() -> None:
    heads = {key(number): value(1) for number in range(10)}
    kept, _ = taken(KeptHeads(), change(KeptHeads(), scan(heads)))
    fewer = {k: v for k, v in heads.items() if k != key(3)}
    found = change(kept, scan(fewer))
    assert (found.lost, found.back, found.steps) == (1, 0, [])
    assert change(kept, scan(fewer), {key(3)}).lost == 0


@pytest.mark.parametrize(("new", "back"), [(value(6), 0), (value(4), 1), (value(5, of=9), 1)])
def test_a_history_that_ends_earlier_or_otherwise_is_counted_and_what_was_stays_known(new: bytes, back: int) -> None:
    kept, _ = taken(KeptHeads(), change(KeptHeads(), scan({key(1): value(5)})))
    found = change(kept, scan({key(1): new}))
    assert (found.lost, found.back) == (0, back)
    assert [step.undo for step in found.steps] == [key(1) + value(5)]


def test_a_step_fits_a_transaction_and_all_of_them_make_the_change() -> None:
    heads = {key(number): value(1, number) for number in range(60_000)}
    found = change(KeptHeads(), scan(heads))
    assert len(found.steps) > 3
    for step in found.steps:
        assert len(step.buckets) <= 90
        assert len(step.undo) <= 700_000
        assert sum(map(len, step.buckets.values())) <= 2_500_000
    kept, undo = taken(KeptHeads(), found)
    assert kept.count == 60_000 == sum(map(len, undo)) // SIZE
    assert {v for one in undo for v in read(one).values()} == {NONE}


def test_buckets_that_a_hand_was_in_are_made_anew() -> None:
    heads = {key(number): value(1, number) for number in range(600)}
    kept, _ = taken(KeptHeads(), change(KeptHeads(), scan(heads)))
    spoiled = KeptHeads((b"", *kept.buckets[1:]), kept.step, kept.digests, damaged=(0,))
    found = change(spoiled, scan(heads))
    assert [(step.anew, step.undo) for step in found.steps] == [((0,), b"")]
    assert taken(spoiled, found)[0].digest == kept.digest


@pytest.mark.parametrize(
    ("seq", "text"),
    [
        *((seq, "a" * 64) for seq in (-1, 0, True, "1", 2**32)),
        *((1, text) for text in ("x" * 64, "é" * 64, "a " * 32, " " + "aa" * 31 + "a", "a" * 66, "", b"a" * 64, None)),
    ],
)
def test_what_is_no_head_is_none(seq: object, text: object) -> None:
    assert head(seq, text) == b""


def test_a_step_fits_a_transaction_whatever_part_of_many_heads_changes() -> None:
    some = [(bytes([number % 60]) + key(number)[1:], number) for number in range(60_000)]  # a thousand in each bucket
    before = [bytearray() for _ in range(256)]
    now = [bytearray() for _ in range(256)]
    for one, number in sorted(some):
        before[one[0]] += one + value(1)
        now[one[0]] += one + value(1 + (number % 100 < 28))
    kept = KeptHeads(tuple(map(bytes, before)), 1)
    for step in change(kept, tuple(map(bytes, now))).steps:
        size = sum(map(len, step.buckets.values())) + len(zlib.compress(step.undo, 6)) + 32 * 256
        assert len(step.buckets) + 2 <= MOST_OPERATIONS
        assert 4 * size / 3 + 2_000 * len(step.buckets) < MOST_BYTES
