"""Who is notified of what: the routes of a ruleset, their filters, and the people who can be addressed. Pure."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple

from guardrails.dataclass import dataclass
from guardrails.exemption.expiry import duration
from guardrails.exemption.patterns import glob, modern, text_glob
from guardrails.exemption.severity import Severity
from guardrails.notices.notice import ON_REQUEST, Notice

CHATS: Final = ("teams", "slack")
"""Channels that people read."""


class Digest(NamedTuple):
    """When a route collects: the first notices of a window go at once, the rest as one message at its end."""

    first: int = 5
    window: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Route:
    """Who is notified: a channel, the settings that hold its address and secret, and which notices it wants.

    A filter that is empty lets everything pass; a notice must pass them all. What is about no exemption passes no
    filter on scopes, subscriptions or owners.

    Attributes:
        scopes: globs on the exemption's id; a scope covers all below it.
        subscriptions: ids, in lower case.
        owners: globs on the exemption's owner, whatever its case.
        default: whether it also gets what no route wants.
        digest: how it collects; None where every notice goes at once.
    """

    name: str
    channel: str
    address_setting: str
    secret_setting: str = ""
    kinds: tuple[str, ...] = ()
    min_severity: str = "info"
    scopes: tuple[str, ...] = ()
    subscriptions: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    default: bool = False
    digest: Digest | None = None

    def wants(self, notice: Notice) -> bool:
        """Whether a notice goes this way by its own merits; see `Ruleset.default_routes` for what is left over."""
        if notice.kind not in self.kinds and (self.kinds or notice.kind in ON_REQUEST):
            return False
        if Severity(notice.severity).rank > Severity(self.min_severity).rank:
            return False
        key = str(notice.exemption.get("id") or "").lower()
        if not key and (self.scopes or self.subscriptions or self.owners):
            return False
        if self.scopes and not any(glob(scope).matches(key) for scope in self.scopes):
            return False
        if self.subscriptions and not key.startswith(tuple(f"/subscriptions/{one}/" for one in self.subscriptions)):
            return False
        said = notice.exemption.get("knownOwner")  # who claims to be its owner takes no notice from who is
        owners = {str(notice.exemption.get("owner") or "").strip().lower(), *(said.split(", ") if said else ())}
        return not self.owners or any(text_glob(pattern).matches(owner) for pattern in self.owners for owner in owners)


class Person(NamedTuple):
    """Somebody who can be addressed: a Teams user, known by what exemptions name as their owner.

    Attributes:
        owner: a glob on one owner as exemptions name it, whatever its case.
        teams: the Teams user's object id or user principal name.
        name: the name to show.
    """

    owner: str
    teams: str
    name: str


def read_route(item: Mapping[str, Any], version: int) -> Route:
    """Return a route as a file of that version gives it; its patterns in the form of version 2."""
    lists = {key: tuple(value) for key, value in item.items() if isinstance(value, list)}
    rest = {key: value for key, value in item.items() if key not in ("route", "digest")} | lists
    for key in ("scopes", "owners"):
        rest[key] = tuple(modern(one, version) for one in item.get(key, ()))
    rest["subscriptions"] = tuple(one.lower() for one in item.get("subscriptions", ()))
    return Route(name=item["route"], digest=_digest(item.get("digest"), item["channel"]), **rest)


def _digest(said: Any, channel: str) -> Digest | None:
    """Return how a route collects. Where nothing is said, people's channels do; machines get every notice at once."""
    if said is None:
        return Digest() if channel in CHATS else None
    if not isinstance(said, Mapping):
        return None
    usual = Digest()
    window = duration(said["window"]) if "window" in said else usual.window
    return Digest(said.get("first", usual.first), window)
