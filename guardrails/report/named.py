"""Subscriptions and management groups that a scan's arguments name; what is said where they cannot be seen. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from guardrails.dataclass import dataclass
from guardrails.exemption.counts import number_of
from guardrails.exemption.patterns import start_of
from guardrails.lazy_regex import lazy_regex
from guardrails.nearest import least_for, likeness
from guardrails.report.coverage import GROUP, Identity, words_of

_SHOWN: Final = 3
_IN_SUBSCRIPTION: Final = lazy_regex(r"/?subscriptions/([^/]+)(/|$)")
_IN_GROUP: Final = lazy_regex(r"/?providers/microsoft\.management/managementgroups/([^/]+)(/|$)")


@dataclass(frozen=True, slots=True)
class Named:
    """What an argument names. `said`: the argument, as `--subscription payments`; `key`: as coverage has it."""

    said: str
    key: str


def subscription(text: str) -> Named:
    """Return what `--subscription` names: an id, or a whole resource id."""
    return Named(f"--subscription {text}", text.strip().strip("/").lower().removeprefix("subscriptions/"))


def management_group(text: str) -> Named:
    """Return what `--management-group` names: a name, or a whole resource id."""
    found = _IN_GROUP.fullmatch(text.strip().rstrip("/").lower())
    return Named(f"--management-group {text}", GROUP + (found[1] if found else text.strip().lower()))


def scope(glob: str) -> Named | None:
    """Return the subscription or management group that a `--scope` names before its first wildcard; None for none."""
    text = glob.strip().lower()
    fixed = start_of(text)
    for pattern, prefix in ((_IN_SUBSCRIPTION, ""), (_IN_GROUP, GROUP)):
        found = pattern.match(fixed)
        if found and (found[2] or fixed == text):  # a wildcard right behind the name is a part of it
            return Named(f"--scope {glob}", prefix + found[1])
    return None


def complaints(named: Iterable[Named], visible: Mapping[str, str], identity: Identity) -> list[str]:
    """Return a sentence on each that is not among what the identity sees; `visible` has display names by key."""
    return [_complaint(one, visible, identity) for one in dict.fromkeys(named) if one.key not in visible]


def _complaint(one: Named, visible: Mapping[str, str], identity: Identity) -> str:
    kind = "management group" if one.key.startswith(GROUP) else "subscription"
    near = " or ".join(words_of(key, visible) for key in closest(one.key, visible))
    groups = sum(key.startswith(GROUP) for key in visible)
    sees = f"it sees {number_of(len(visible) - groups, 'subscription')} and {number_of(groups, 'management group')}"
    then = f"did you mean {near}?" if near else f"{sees}, and none is called like that. It needs the role Reader there"
    return f"{one.said}: {identity.shown} sees no such {kind}; {then}"


def closest(key: str, visible: Mapping[str, str]) -> Sequence[str]:
    """Return the keys of what is called most alike, by id or display name, the best first; three at most."""
    text = key.removeprefix(GROUP)
    least = least_for(text)
    scored = []
    for other, name in visible.items():
        score = max(likeness(text, one, least) for one in (other.removeprefix(GROUP), name.lower()))
        if score >= least:
            same = other.startswith(GROUP) is key.startswith(GROUP)
            scored.append((-score, not same, name.lower(), other))
    return [other for *_, other in sorted(scored)[:_SHOWN]]
