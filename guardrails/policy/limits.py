"""Azure's limits on a policy: the size and complexity of what is made, and the aliases that a tenant knows. Pure.

Sources: azure-docs, includes/azure-policy-limits.md (the request's body) and Microsoft Learn, "Azure Policy definition
structure policy rule", Policy rule limits (the rest).
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from guardrails.errors import Misconfigured
from guardrails.lazy_regex import lazy_regex
from guardrails.rules.control import TYPE

MOST_BYTES: Final = 1_048_576
MOST_CONDITIONS: Final = 4_096
MOST_FUNCTIONS: Final = 2_048
MOST_VALUE_COUNTS: Final = 10
MOST_COUNTED: Final = 100
"""Values in one count of values."""

_CALL: Final = lazy_regex(r"\w+\(")
_QUOTED: Final = lazy_regex(r"'(?:[^']|'')*'")
_ALIAS: Final = lazy_regex(rf"{re.escape(TYPE)}/[\w.\[\]*]+", re.IGNORECASE)


def refuse_too_large(made: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise Misconfigured, code `policy-too-large`, with every definition and initiative that Azure would not take.

    `made` is path -> `{name, properties}`.
    """
    problems = tuple(
        f"{path}: {count:,} {what}; Azure takes {most:,}"
        for path, one in made.items()
        for count, what, most in _measured(one["properties"])
        if count > most
    )
    if problems:
        raise Misconfigured(
            "policies would exceed a limit of Azure, so nothing was written",
            code="policy-too-large",
            subject=", ".join(sorted({line.partition(":")[0] for line in problems})),
            remedy="Use fewer overrides, exclusions, listed ids and metadata keys in the ruleset, or wider globs in"
            " place of several.",
            problems=problems,
        )


def refuse_unknown_aliases(made: Mapping[str, Mapping[str, Any]], file: str, known: object) -> None:
    """Raise Misconfigured for definitions that use aliases of exemptions that a tenant lacks, with each of them.

    Args:
        made: path -> `{name, properties}`.
        file: the name of the file that `known` comes from, for messages.
        known: JSON that holds the tenant's aliases, as `az provider show` prints them. Casing is ignored.
    """
    aliases = {found.lower() for text in texts_in(known) if (found := text.strip()) and _ALIAS.fullmatch(found)}
    if not aliases:
        raise Misconfigured(
            f"there is no alias of {TYPE} in it",
            code="aliases-unread",
            subject=file,
            remedy='Save: az provider show --namespace Microsoft.Authorization --expand "resourceTypes/aliases"',
        )
    problems = tuple(
        f"{path}: the tenant has no alias {alias}"
        for path, one in made.items()
        for alias in sorted(set(_ALIAS.findall(json.dumps(one["properties"].get("policyRule")))))
        if alias.lower() not in aliases
    )
    if problems:
        raise Misconfigured(
            "policies use aliases that the tenant does not have, so nothing was written",
            code="aliases-missing",
            subject=file,
            remedy="Build from a ruleset without these rules. The service still judges by its own ruleset.",
            problems=problems,
        )


def _measured(properties: Mapping[str, Any]) -> Iterator[tuple[int, str, int]]:
    """Yield what is counted, its name, and the most that Azure takes."""
    body = json.dumps({"properties": properties}, separators=(",", ":"))
    yield len(body), "bytes", MOST_BYTES
    rule = properties.get("policyRule", {})
    calls = (_CALL.findall(_QUOTED.sub("''", text)) for text in texts_in(rule) if text.startswith("["))
    yield sum(map(len, calls)), "functions", MOST_FUNCTIONS
    conditions = list(_conditions(rule.get("if", {})))
    yield len(conditions), "conditions", MOST_CONDITIONS
    counted = [one["count"]["value"] for one in conditions if "value" in (one.get("count") or ())]
    yield len(counted), "counts of values", MOST_VALUE_COUNTS
    listed = (len(values) for values in counted if isinstance(values, list))
    yield max(listed, default=0), "values in one count", MOST_COUNTED


def _conditions(node: object) -> Iterator[Mapping[str, Any]]:
    """Yield every condition below a node: what has something to look at."""
    if isinstance(node, Mapping):
        if {key.lower() for key in node} & {"field", "value", "count"} and len(node) > 1:
            yield node
        for part in node.values():
            yield from _conditions(part)
    elif isinstance(node, list):
        for part in node:
            yield from _conditions(part)


def texts_in(value: object) -> Iterator[str]:
    """Yield every text in a JSON value, keys left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from texts_in(part)
