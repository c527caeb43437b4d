"""A table of policy definitions and the criteria that a built-in initiative of Azure groups them under. Pure.

`soc2.json` is ours: the numbers of the criteria by the GUIDs of definitions, copied from the initiative that it names.
`exg criteria build` makes such a file from a tenant's own built-in initiative.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from guardrails.criteria.model import Source, SourceKind
from guardrails.dataclass import dataclass
from guardrails.errors import Misconfigured
from guardrails.lazy_regex import lazy_regex

OWN: Final = Path(__file__).with_name("soc2.json")

BUILT_IN: Final = "/providers/microsoft.authorization/policydefinitions/"
"""What the id of a built-in policy definition begins with: a custom one of the same name is another policy."""

_GUID: Final = lazy_regex(r"[0-9a-z]{8}(?:-[0-9a-z]{4}){3}-[0-9a-z]{12}", re.ASCII)
"""The name of a built-in definition. Some that Azure ships are no GUIDs: 17k78e20-9358-41c9-923c-fb736d382a12."""

_MOST: Final = 5_000
_LONGEST: Final = 128
_REMEDY: Final = "Make the file with `exg criteria build --out FILE`."

type ByDefinition = Mapping[str, tuple[str, ...]]
"""GUID of a definition, lower case -> the criteria that it is grouped under, each once."""


@dataclass(frozen=True, slots=True)
class Table:
    """Which criteria built-in policies are grouped under.

    Attributes:
        source: the initiative that it was made of.
        technical, manual: what Azure checks, and what people attest to.
        made_from: where its numbers were read: a repository and its commit, or a tenant and a time.
    """

    source: Source
    technical: ByDefinition
    manual: ByDefinition
    made_from: Mapping[str, str]

    @property
    def totals(self) -> Mapping[str, int]:
        """How many technical policies each criterion has."""
        return Counter(one for criteria in self.technical.values() for one in criteria)

    def to_text(self) -> str:
        """Return the file, one definition a line."""
        source = self.source
        head = {
            "initiative": {"id": source.id, "name": source.name, "version": source.version},
            "source": dict(self.made_from),
        }
        parts = [f' "{name}": {json.dumps(said)}' for name, said in head.items()]
        for name, listed in (("technical", self.technical), ("manual", self.manual)):
            lines = ",\n".join(f'  "{guid}": {json.dumps(list(criteria))}' for guid, criteria in sorted(listed.items()))
            parts.append(f' "{name}": {{\n{lines}\n }}')
        return "{\n" + ",\n".join(parts) + "\n}\n"


def guid_of(definition_id: str) -> str:
    """Return the GUID of a built-in definition, by its id in lower case; "" for any other definition."""
    return definition_id.removeprefix(BUILT_IN) if definition_id.startswith(BUILT_IN) else ""


@cache
def own_table() -> Table:
    """Return the table that is shipped."""
    return load_table(OWN)


def load_table(path: Path) -> Table:
    """Return the table in a file. Raises Misconfigured (criteria-broken) with every mistake in it."""
    try:
        return parse_table(json.loads(path.read_text(encoding="utf-8")), str(path))
    except OSError as error:
        raise _broken(f"the table of criteria cannot be read: {error.strerror}", str(path)) from None
    except (ValueError, RecursionError) as error:
        raise _broken(f"the table of criteria is not JSON: {error}", str(path)) from None


def parse_table(said: object, name: str) -> Table:
    """Return the table that JSON says; `name`: what to call it. Raises Misconfigured (criteria-broken)."""
    problems: list[str] = []
    whole = said if isinstance(said, Mapping) else {}
    initiative = _texts(whole.get("initiative"), "initiative", ("id", "name", "version"), problems)
    if not _GUID.fullmatch(initiative["id"].lower()):
        problems.append("initiative.id: not the GUID of a built-in initiative")
    technical, manual = (_listed(whole.get(part), part, problems) for part in ("technical", "manual"))
    if both := technical.keys() & manual.keys():
        problems.append(f"in both technical and manual: {', '.join(sorted(both)[:3])}")
    if not problems and not technical:
        problems.append("technical: has no policy")
    if problems:
        raise _broken("the table of criteria has mistakes", name, tuple(problems))
    made_from = whole.get("source")
    noted = {str(key): str(value) for key, value in made_from.items()} if isinstance(made_from, Mapping) else {}
    source = Source(SourceKind.TABLE, initiative["id"].lower(), initiative["name"], initiative["version"])
    return Table(source, technical, manual, noted)


def _texts(said: object, part: str, names: tuple[str, ...], problems: list[str]) -> dict[str, str]:
    found = {name: said.get(name) if isinstance(said, Mapping) else None for name in names}
    problems += [
        f"{part}.{name}: not a text, or empty"
        for name, value in found.items()
        if not isinstance(value, str) or not value
    ]
    return {name: value[:_LONGEST] if isinstance(value, str) else "" for name, value in found.items()}


def _listed(said: object, part: str, problems: list[str]) -> dict[str, tuple[str, ...]]:
    if not isinstance(said, Mapping) or len(said) > _MOST:
        problems.append(
            f"{part}: not an object of at most {_MOST:,} entries, each the GUID of a definition with a list of criteria"
        )
        return {}
    found = {}
    for guid, criteria in said.items():
        key = guid.lower()
        if not _GUID.fullmatch(key) or not _is_criteria(criteria):
            problems.append(f"{part}: '{guid[:60]}' is not a GUID, or has no list of criteria")
            break
        found[key] = tuple(dict.fromkeys(criteria))
    return found


def _is_criteria(said: Any) -> bool:
    return (
        isinstance(said, list) and bool(said) and all(isinstance(one, str) and 0 < len(one) <= _LONGEST for one in said)
    )


def _broken(message: str, subject: str, problems: tuple[str, ...] = ()) -> Misconfigured:
    return Misconfigured(message, code="criteria-broken", subject=subject, remedy=_REMEDY, problems=problems)
