"""The heads of all exemptions' histories, as sweeps record them: what is left out later is found by them. Pure.

A head is the number and the hash of an exemption's newest history entry. The heads are in 256 buckets, by the first
byte of ExemptionId.hash. A bucket has 56 bytes for each exemption, in the order of the hashes: ExemptionId.hash (20),
the number (4, big-endian), the hash (32). The digest of all is the sha256 over the sha256 of each bucket.

A sweep changes buckets in steps. A step keeps what it replaced, so that from the heads of now those of every earlier
sweep can be had back, and each must give the digest that this sweep recorded. Nothing is ever taken out of a bucket:
rows of exemptions are never deleted, so one that is missing was taken away by a hand.
"""

import hashlib
from binascii import unhexlify
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from guardrails.dataclass import dataclass, field

BUCKETS: Final = 256
KEY: Final = 20
VALUE: Final = 36
SIZE: Final = KEY + VALUE
NONE: Final = bytes(VALUE)
"""In what a step replaced: there was none."""

_MOST_BUCKETS: Final = 90
_MOST_BYTES: Final = 2_200_000
"""Of the buckets of one step: with what it replaced it is one transaction of 4 MiB, in which bytes travel as base64."""
_MOST_UNDO: Final = 700_000

type Buckets = tuple[bytes, ...]

EMPTY: Final[Buckets] = (b"",) * BUCKETS

_NO_HEADS: Final = hashlib.sha256(b"").digest()
"""The digest of an empty bucket."""


def head(seq: object, entry_hash: object) -> bytes:
    """Return the 36 bytes of a head; b"" where a row does not say number and hash."""
    if type(seq) is not int or seq < 1 or type(entry_hash) is not str or len(entry_hash) != 64:
        return b""
    try:
        return seq.to_bytes(4) + unhexlify(entry_hash)  # takes no spaces, and half the time of bytes.fromhex
    except (ValueError, OverflowError):
        return b""


def digests_of(buckets: Iterable[bytes]) -> bytes:
    """Return the sha256 of each bucket, put together. Most tenants fill few of them."""
    return b"".join(hashlib.sha256(bucket).digest() if bucket else _NO_HEADS for bucket in buckets)


EMPTY_DIGESTS: Final = digests_of(EMPTY)


class Scanned:
    """The heads that one scan of the register comes by.

    Attributes:
        whole: whether the scan came to its end.
        unread: exemptions whose row does not say its head.
        since: the newest step of the kept heads before the scan began (KeptHeads.step); None where that is not known.
    """

    def __init__(self) -> None:
        self._buckets: list[bytearray | bytes] = [bytearray() for _ in range(BUCKETS)]
        self.unread: set[bytes] = set()
        self.whole = False
        self.since: int | None = None

    def add(self, key: bytes, value: bytes) -> None:
        """Take the head of one exemption; b"" where it could not be read."""
        if value:
            self._buckets[key[0]] += key + value
        else:
            self.unread.add(key)

    def add_all(self, heads: Iterable[bytes]) -> None:
        """Take heads as `buckets` has them: SIZE bytes each."""
        for one in heads:
            if len(one) == SIZE:
                self._buckets[one[0]] += one

    def buckets(self) -> Buckets:
        """Return them in their order."""
        for number, bucket in enumerate(self._buckets):
            self._buckets[number] = b"".join(sorted(_cut(bytes(bucket))))  # in its place: there may be many
        return tuple(map(bytes, self._buckets))


@dataclass(frozen=True, slots=True)
class KeptHeads:
    """The heads as they are kept.

    Attributes:
        buckets: all of them.
        step: the number of the newest step; 0 before the first.
        digests: the sha256 of each bucket, put together.
        lost: how many of them the newest sweep did not find in the register.
        damaged: the numbers of buckets that a hand was in; they are made anew.
        etag: the guard for the next step.
    """

    buckets: Buckets = EMPTY
    step: int = 0
    digests: bytes = EMPTY_DIGESTS
    lost: int = 0
    damaged: tuple[int, ...] = ()
    etag: str = ""

    @property
    def digest(self) -> str:
        """The digest of all, in hex."""
        return digest_of(self.digests)

    @property
    def count(self) -> int:
        """How many exemptions there are."""
        return sum(map(len, self.buckets)) // SIZE


@dataclass(frozen=True, slots=True)
class Step:
    """A change of some buckets, in one transaction.

    Attributes:
        buckets: their new content, by number.
        undo: what it replaced: for each head that is new, 56 bytes with the one before, or NONE.
        anew: buckets that a hand was in, of which nothing before this step can be had back.
    """

    buckets: Mapping[int, bytes]
    undo: bytes = b""
    anew: tuple[int, ...] = ()


@dataclass(slots=True)
class Change:
    """What a scan changes.

    Attributes:
        steps: in their order.
        lost: how many exemptions are kept that the scan did not find.
        back: how many have fewer entries than before, or others.
    """

    steps: list[Step] = field(default_factory=list)
    lost: int = 0
    back: int = 0


class _Merged(NamedTuple):
    number: int
    bucket: bytes
    undo: bytes
    anew: bool


def change(kept: KeptHeads, scanned: Buckets, unread: AbstractSet[bytes] = frozenset()) -> Change:
    """Return what a scan changes in the heads that are kept. A bucket that is the same costs one comparison."""
    found = Change()
    some: list[_Merged] = []
    for number, (old, new) in enumerate(zip(kept.buckets, scanned, strict=True)):
        anew = number in kept.damaged
        if old == new and not anew:
            continue
        merged = _merge(number, b"" if anew else old, new, unread, found, anew=anew)
        if merged.bucket == old and not anew:
            continue
        if some and _is_full(some, merged):
            found.steps.append(_step(some))
            some = []
        some.append(merged)
    if some:
        found.steps.append(_step(some))
    return found


def _merge(number: int, old: bytes, new: bytes, unread: AbstractSet[bytes], found: Change, *, anew: bool) -> _Merged:
    before, after = read(old), read(new)
    found.lost += len(before.keys() - after.keys() - unread)
    differ = sorted(key for key, value in after.items() if before.get(key) != value)
    found.back += sum(after[key][:4] <= before[key][:4] for key in differ if key in before)
    undo = b"" if anew else b"".join(key + before.get(key, NONE) for key in differ)
    return _Merged(number, written({**before, **after}), undo, anew)


def _is_full(some: list[_Merged], one: _Merged) -> bool:
    size, undo = (sum(len(getattr(each, name)) for each in (*some, one)) for name in ("bucket", "undo"))
    return len(some) == _MOST_BUCKETS or size > _MOST_BYTES or undo > _MOST_UNDO


def _step(some: Iterable[_Merged]) -> Step:
    some = tuple(some)
    undo, anew = b"".join(one.undo for one in some), tuple(one.number for one in some if one.anew)
    return Step({one.number: one.bucket for one in some}, undo, anew)


def after(kept: KeptHeads, step: Step, lost: int, etag: str = "") -> KeptHeads:
    """Return the heads after a step."""
    buckets = tuple(step.buckets.get(number, bucket) for number, bucket in enumerate(kept.buckets))
    digests = b"".join(
        hashlib.sha256(bucket).digest() if number in step.buckets else kept.digests[at : at + 32]
        for number, at, bucket in zip(range(BUCKETS), range(0, 32 * BUCKETS, 32), buckets, strict=True)
    )
    return KeptHeads(buckets, kept.step + 1, digests, lost, tuple({*kept.damaged} - {*step.anew}), etag)


def digest_of(digests: bytes) -> str:
    """Return the digest of all heads, in hex, by the sha256 of each bucket."""
    return hashlib.sha256(digests).hexdigest()


def read(bucket: bytes) -> dict[bytes, bytes]:
    """Return the heads in a bucket, or in what a step replaced, by ExemptionId.hash."""
    return {one[:KEY]: one[KEY:] for one in _cut(bucket)}


def written(heads: Mapping[bytes, bytes]) -> bytes:
    """Return a bucket."""
    return b"".join(sorted(key + value for key, value in heads.items()))


def _cut(bucket: bytes) -> Iterator[bytes]:
    return (bucket[at : at + SIZE] for at in range(0, len(bucket), SIZE))


def undone(buckets: list[bytes], undo: bytes) -> Iterator[int]:
    """Take a step back in a list of buckets; yield the numbers of those that it changed."""
    by_bucket: dict[int, dict[bytes, bytes]] = {}
    for key, value in read(undo).items():
        by_bucket.setdefault(key[0], {})[key] = value
    for number, before in by_bucket.items():
        heads = {**read(buckets[number]), **before}
        buckets[number] = written({key: value for key, value in heads.items() if value != NONE})
        yield number
