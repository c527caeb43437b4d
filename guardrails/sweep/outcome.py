"""What came of one part of a sweep: what the whole needs of it, and how it travels from one instance to another."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, Self

from guardrails.dataclass import dataclass, field
from guardrails.decisions.judged import Found
from guardrails.decisions.overlap import Result
from guardrails.exemption.facts import Earlier, Overlap, Unread
from guardrails.exemption.times import parse_time, spell_time

_AS_THEY_ARE: Final = ("seen", "known", "adopted", "missing", "remarks", "clock_differs", "hole", "examples", "ruleset")


@dataclass(slots=True)
class Outcome:
    """What came of a part. The first attributes are as in Report.

    Attributes:
        found: how many exemptions match what of the ruleset.
        examples: rows that were left out, by reason.
        visible: containers that are visible for an exemption of theirs alone.
        below: of exemptions at management groups, by ExemptionId.hash, what they overlap with below, and where.
        undecided: the exemptions of which that could not be read.
        hole: whether a part of the inventory was lost.
        unread: exemptions whose row does not say its head, as Scanned has them.
        ruleset: the digest of the ruleset that judged them, with the mode: Ruleset.digest_in.
    """

    seen: int = 0
    known: int = 0
    adopted: int = 0
    queued: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    clock_differs: bool = False
    found: Counter[Found] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    visible: set[str] = field(default_factory=set)
    below: dict[bytes, tuple[str, Result]] = field(default_factory=dict)
    undecided: set[bytes] = field(default_factory=set)
    hole: bool = False
    unread: set[bytes] = field(default_factory=set)
    ruleset: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {
            **{name: getattr(self, name) for name in _AS_THEY_ARE},
            "queued": dict(self.queued),
            "left_out": dict(self.left_out),
            "found": [[found, count] for found, count in self.found.items()],
            "visible": sorted(self.visible),
            "below": {key.hex(): [scope, _said(result)] for key, (scope, result) in self.below.items()},
            "unread": sorted(key.hex() for key in self.unread),
            "undecided": sorted(key.hex() for key in self.undecided),
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave. Raises ValueError."""
        try:
            return cls(
                int(said["seen"]),
                int(said["known"]),
                int(said["adopted"]),
                _counter(said["queued"]),
                _counter(said["left_out"]),
                list(map(str, said["missing"])),
                list(map(str, said["remarks"])),
                clock_differs=said["clock_differs"] is True,
                hole=said["hole"] is True,
                examples={str(key): list(map(str, some)) for key, some in said["examples"].items()},
                found=Counter({tuple(map(tuple, found)): int(count) for found, count in said["found"]}),
                visible=set(map(str, said["visible"])),
                below={bytes.fromhex(key): (str(one[0]), _read(one[1])) for key, one in said["below"].items()},
                unread=set(map(bytes.fromhex, said["unread"])),
                undecided=set(map(bytes.fromhex, said["undecided"])),
                ruleset=str(said["ruleset"]),
            )
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"it is not as it was written: {error}") from error


def _counter(said: Mapping[str, Any]) -> Counter[str]:
    return Counter({str(key): int(count) for key, count in said.items()})


def _said(result: Result) -> dict[str, Any]:
    if isinstance(result, Unread):
        return {"unknown": result.reason}
    others = [[one.id, spell_time(one.written) if one.written else ""] for one in result.others]
    return {
        "others": others, "count": result.count, "controls": result.controls, "policies": result.policies,
        "whole": result.whole,
    }  # fmt: skip


def _read(said: Mapping[str, Any]) -> Result:
    if "unknown" in said:
        return Unread(str(said["unknown"]))
    others = tuple(Earlier(str(one), parse_time(at)) for one, at in said["others"])
    return Overlap(others, int(said["count"]), tuple(said["controls"]), int(said["policies"]), said["whole"] is True)
