"""What a policy's `field` selects in a request: the fields with names of their own, tags, and property aliases.

Sources: Microsoft Learn, "Azure Policy definition structure policy rule" (Fields), "... aliases", and "Author policies
for array properties". The aliases of exemptions are those that Get-AzPolicyAlias listed in August 2026. There is none
for exemptionManagementMode, and none below metadata.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from tests.policy.expressions import Refused

EXEMPTIONS: Final = "microsoft.authorization/policyexemptions"

_PATHS = (
    "policyAssignmentId", "policyDefinitionReferenceIds", "policyDefinitionReferenceIds[*]", "exemptionCategory",
    "expiresOn", "displayName", "description", "metadata", "assignmentScopeValidation",
    "resourceSelectors", "resourceSelectors[*]", "resourceSelectors[*].name", "resourceSelectors[*].selectors",
    "resourceSelectors[*].selectors[*]", "resourceSelectors[*].selectors[*].kind",
    "resourceSelectors[*].selectors[*].in", "resourceSelectors[*].selectors[*].in[*]",
    "resourceSelectors[*].selectors[*].notIn", "resourceSelectors[*].selectors[*].notIn[*]",
)  # fmt: skip
EXEMPTION_ALIASES: Final[Mapping[str, str]] = {f"{EXEMPTIONS}/{path.lower()}": f"properties.{path}" for path in _PATHS}
"""Lower-cased alias -> path in the body. For this type there are no others."""


class Missing:
    """What a field gives that is not in the request."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()


class Selection(list[Any]):
    """The values that an array alias selects; `absent` where an array on the way to them is not there."""

    absent = False


class Fields:
    """The fields of one request body.

    Args:
        body: id, name, type, location, tags, properties and so on, as ARM JSON; keys in any casing.
        aliases: lower-cased alias -> path in the body. What is not listed is `properties.` and the rest of the alias,
            for every type but exemptions.
    """

    def __init__(self, body: Mapping[str, Any], aliases: Mapping[str, str]) -> None:
        self.body = body
        self.type = str(get(body, "type") or "").lower()
        self._aliases = aliases
        self._selected: dict[str, Any] = {}

    def path(self, alias: str) -> str | None:
        """Return where an alias leads; None for an alias of another type. Raises Refused where there is none such."""
        low = alias.lower()
        kind, _, rest = low.rpartition("/")
        if low in self._aliases:
            return self._aliases[low] if kind == self.type else None
        if kind == EXEMPTIONS:
            raise Refused(f"there is no alias {alias}")
        if "." not in kind.partition("/")[0] or "/" not in kind or not rest:
            raise Refused(f"'{alias}' is neither a field nor an alias")
        return f"properties.{alias[len(kind) + 1 :]}" if kind == self.type else None

    def select(self, name: str, bound: Mapping[str, int]) -> Any:
        """Return the value of a field, MISSING, or the Selection of an array alias.

        `bound` holds which member a count is at, by the array's path: the others are not there for it.
        """
        if bound:
            return self._select(name, bound)
        if name not in self._selected:
            self._selected[name] = self._select(name, bound)
        return self._selected[name]

    def _select(self, name: str, bound: Mapping[str, int]) -> Any:
        low = name.lower()
        if low in ("name", "type", "kind", "id"):
            return get(self.body, low)
        if low == "location":
            found = get(self.body, low)
            return normal_location(found) if isinstance(found, str) else found
        if low == "fullname":
            return self._full_name()
        if low == "identity.type":
            return get(get(self.body, "identity"), "type")
        if low == "tags":
            return get(self.body, "tags")
        if low.startswith(("tags.", "tags[")):
            return get(get(self.body, "tags"), tag_name(name))
        path = self.path(name)
        if path is None:
            return Selection() if "[*]" in name else MISSING
        if "[*]" not in path:
            return next(walk(self.body, segments(path), bound))[0]
        found = Selection(value for value, _ in walk(self.body, segments(path), bound))
        found.absent = _ABSENT in found
        found[:] = [value for value in found if value is not _ABSENT]
        return found

    def members(self, alias: str, bound: Mapping[str, int]) -> list[dict[str, int]]:
        """Return for each member of an array alias which member it is of each array on its way."""
        if not alias.endswith("[*]"):
            raise Refused(f"count needs an array alias, and {alias} is none")
        path = self.path(alias)
        if path is None:
            return []
        return [{**bound, **at} for value, at in walk(self.body, segments(path), bound) if value is not _ABSENT]

    def _full_name(self) -> Any:
        """Return the name with those of its parents, as the id has them; the name itself where there is no id."""
        below = str(get(self.body, "id") or "").rpartition("/providers/")[2]
        names = below.split("/")[2::2]
        return "/".join(names) if names else get(self.body, "name")


_ABSENT: Final = Missing()


@lru_cache(maxsize=1024)
def segments(path: str) -> tuple[str, ...]:
    """Return the steps of a path: property names, and `[*]` for each member."""
    return tuple(path.replace("[*]", ".[*]").split("."))


def walk(
    node: Any, steps: tuple[str, ...], bound: Mapping[str, int], at: Mapping[str, int] | None = None, done: str = ""
) -> Iterator[tuple[Any, Mapping[str, int]]]:
    """Yield the values at the end of a path, with the member that each array on the way is at."""
    at = at or {}
    if not steps:
        yield node, at
        return
    step, rest = steps[0], steps[1:]
    here = f"{done}.{step.lower()}"
    if step != "[*]":
        yield from walk(get(node, step), rest, bound, at, here)
        return
    if not isinstance(node, list):
        yield _ABSENT, at
        return
    for index, item in enumerate(node):
        if bound.get(here, index) == index:
            yield from walk(item, rest, bound, {**at, here: index}, here)


def get(node: Any, key: str) -> Any:
    """Return a property in any casing, or MISSING."""
    if isinstance(node, Mapping):
        if key in node:
            return node[key]
        low = key.lower()
        for name, value in node.items():
            if name.lower() == low:
                return value
    return MISSING


def tag_name(field: str) -> str:
    """Return the tag that `tags.name`, `tags[name]` or `tags['name']` names; quotes inside are doubled."""
    if field[4] == ".":
        return field[5:]
    if not field.endswith("]"):
        raise Refused(f"'{field}' has no closing bracket")
    inner = field[5:-1]
    if len(inner) > 1 and inner[0] == inner[-1] == "'":
        return inner[1:-1].replace("''", "'")
    return inner


def normal_location(text: str) -> str:
    """Return a location as Azure compares it: `East US 2` is eastus2."""
    return text.replace(" ", "").lower()
