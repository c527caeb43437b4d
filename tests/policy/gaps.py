"""What a policy may leave to the service: for each rule, the violations that its form says it does not see.

Written from what the forms say they leave, not from how they do it: a violation that no policy reports must be one of
these, else the policy has lost something.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from guardrails.exemption.body import put_body
from guardrails.exemption.expiry import months_after
from guardrails.exemption.model import Exemption
from guardrails.exemption.names import fold_name
from guardrails.exemption.patterns import narrows
from guardrails.ruleset.model import Ruleset

_COMPARED: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z", re.ASCII)
_SECOND: Final = timedelta(seconds=1)
_FURTHEST: Final = 36_500
"""Days to which the policies count."""
_WILD: Final = re.compile(r"\*+|\?|\[!?\]?[^\]]*\]|\[")


@dataclass(frozen=True, slots=True)
class Judged:
    """An exemption with a violation of a rule."""

    exemption: Exemption
    now: datetime
    options: Any
    ruleset: Ruleset

    @property
    def said(self) -> Mapping[str, Any]:
        """The properties as they are written."""
        properties: Mapping[str, Any] = put_body(self.exemption.body)["properties"]
        return properties


def explained(rule: str, one: Judged) -> bool:
    """Whether a rule's form, or where the rule applies, says that this violation is left to the service."""
    form = _LEFT.get(rule)
    return (form is not None and form(one)) or blurred(rule, one)


def blurred(rule: str, one: Judged) -> bool:
    """Whether it is left because of the place: overrides that meet, or globs that Azure's one wildcard cannot say.

    That wildcard is any text, so that it is no `*` that does not cross slashes.
    """
    key = one.exemption.id.key
    overrides = [layer for layer in one.ruleset.limits.overrides if rule in layer.rules]
    matching = [layer for layer in overrides if layer.scope is not None and layer.scope.matches(key)]
    if len(matching) > 1:
        return True
    if matching and len(_pieces(matching[0].said)) > 2:
        return True
    if matching and any(sign in matching[0].said for sign in "?["):
        return True
    if matching and matching[0].scope and narrows(matching[0].scope.text):
        return True
    running = [item for item in one.ruleset.exclusions if item.expires is None or one.now < item.expires]
    places = [(layer.said, layer.scope) for layer in overrides] + [(item.scope, item.pattern) for item in running]
    others = [scope for scope, pattern in places if not (pattern and pattern.matches(key))]
    return any(_resembles(key, glob) for glob in others if len(_WILD.split(glob)) > 1)


def _pieces(glob: str) -> list[str]:
    return _WILD.split(glob.rstrip("/").lower())


def _resembles(text: str, glob: str) -> bool:
    """Whether a text begins as a glob does and has all its texts between wildcards, in any order."""
    first, *others = _pieces(glob)
    return text.lower().startswith(first) and all(piece in text.lower() for piece in others)


def _has_key(role: str) -> Callable[[Judged], bool]:
    """Return whether a key of the role is anywhere in the metadata, whatever it says, or whether they are a text."""

    def is_there(one: Judged) -> bool:
        said = one.said.get("metadata")
        if isinstance(said, str) and said:
            return True
        keys = {fold_name(key) for key in one.ruleset.names.roles[role]}
        if not all(re.fullmatch("[a-z0-9:]+", key) for key in keys):
            return True
        texts = [fold_name(text) for text in _texts(one.exemption.metadata)]
        return any(f'"{key}"' in f'"{text}"' for key in keys for text in texts)

    return is_there


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _other_form(one: Judged) -> bool:
    """Whether its end is of another form than a policy compares."""
    said = one.said.get("expiresOn")
    return not isinstance(said, str) or not _COMPARED.fullmatch(said)


def _expired(one: Judged) -> bool:
    """The last days before the limit; more days than a policy counts."""
    ends, days = one.exemption.expires_on, one.options.keep_days + 1
    last = ends is not None and ends > one.now - timedelta(days=days) - _SECOND
    return days > _FURTHEST or last or _other_form(one)


def _too_far(one: Judged) -> bool:
    """The days by which the months at hand are shorter than the longest ones, and one; many years."""
    ends = one.exemption.expires_on
    days = _most_days(one.options.months) + one.options.tolerance_days + 1
    near = ends is not None and ends - one.now <= timedelta(days=days) + _SECOND
    return days > _FURTHEST or near or _other_form(one)


@cache
def _most_days(months: int) -> int:
    starts = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(4 * 366)]
    return max((months_after(start, months) - start).days for start in starts)


def _never_exempt(one: Judged) -> bool:
    """Ids that end in a slash or need JSON escapes, listed definitions, globs of which one wildcard is not enough."""
    given = one.exemption.assignment_id
    hard = [glob for glob in one.options.assignments if _is_hard(glob)]
    escaped = len(json.dumps(given, ensure_ascii=False)) > len(given) + 2
    unseen = given.endswith("/") or escaped or bool(one.options.definitions)
    return unseen or any(_resembles(given, glob) for glob in hard)


def _is_hard(glob: str) -> bool:
    return len(_pieces(glob)) > 2 or any(sign in glob for sign in "?[") or narrows(glob)


def _too_broad(one: Judged) -> bool:
    """Scopes that look like an allowed one; the name of the exemption counts, for the whole id is searched."""
    wild = [glob for glob in one.options.allowed if len(_WILD.split(glob)) > 1]
    return any(_resembles(one.exemption.id.key, glob) for glob in wild)


def _unjustified(one: Judged) -> bool:
    return one.said.get("description") not in (None, "") or _has_key("justification")(one)


_LEFT: Final[Mapping[str, Callable[[Judged], bool]]] = {
    "expiry-missing": lambda one: not str(one.said.get("expiresOn") or "x").strip(),
    "expiry-too-far": _too_far,
    "expired": _expired,
    "review-due": _has_key("review"),
    "ticket-missing": _has_key("ticket"),
    "owner-missing": _has_key("owner"),
    "control-missing": _has_key("control"),
    "justification-missing": _unjustified,
    "scope-too-broad": _too_broad,
    "never-exempt": _never_exempt,
    "category-forbidden": lambda one: one.exemption.category.lower() not in ("waiver", "mitigated"),
}
"""By rule. A rule that is not here leaves nothing but what `blurred` says."""
