"""A rule at the control plane: the condition of Azure Policy under which it refuses a write. Not a rule.

The control plane never refuses what the rule lets pass: a condition may be true only where the rule gives a Violation.
What a condition cannot see is left to the service, and the form says so. Operators and functions are those that
Microsoft Learn lists: https://learn.microsoft.com/azure/governance/policy/concepts/definition-structure-policy-rule

Azure refuses a write when the evaluation of a condition fails, whatever the effect. So no condition here can fail,
whatever the text, type or absence of a property, and whichever parts of a condition Azure evaluates; but for values
beyond the size that its functions take.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from guardrails.dataclass import dataclass, field
from guardrails.exemption.names import Names, fold_name
from guardrails.exemption.patterns import pieces
from guardrails.lazy_regex import lazy_regex

type Condition = Mapping[str, Any]
"""A condition of a policy rule, JSON-ready."""

TYPE: Final = "Microsoft.Authorization/policyExemptions"
ID: Final[Condition] = {"field": "id"}
IS_EXEMPTION: Final[Condition] = {"field": "type", "equals": TYPE}
FURTHEST: Final = 36_500
"""Days that a condition adds or takes away at most: where a date function fails, Azure refuses the write."""

_BELOW: Final = f"/providers/{TYPE}/"
_SAFE: Final = lazy_regex(r"[a-z0-9:]+")

NO_TIME: Final = (
    "An expiry that is not written like 2027-06-30T00:00:00Z or, with decimals of a second, 2027-06-30T00:00:00.5Z."
)
ONLY_KEYS: Final = (
    "A metadata key that is empty or has a value such as n/a. A nested key of the metadata: the policy"
    " accepts it, and the rule does not. Metadata that are a text instead of an object."
)


class Parameter(NamedTuple):
    """What whoever assigns the policy may choose, a number or a list: its title, its default, and what it means.

    `allowed` are the only values, or members of the list, that Azure takes; () for any.
    """

    title: str
    default: int | tuple[str, ...]
    description: str
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Form:
    """A rule as a condition on the exemption that is written.

    Attributes:
        condition: without the check of the type, and without where the rule applies.
        parameters: name -> parameter, where whoever assigns the policy may choose.
        leaves: violations that it leaves to the service, a sentence each; () where it sees them all.
        untested: kinds of writes, in the plural, of which nobody has tested in Azure whether policies see them.
        deny: whether refusing the write would help; else the policy only audits.
        by_caller: whether it looks at who writes, so that compliance scans say nothing of it and no policy audits.
    """

    condition: Condition
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    leaves: tuple[str, ...] = ()
    untested: tuple[str, ...] = ()
    deny: bool = True
    by_caller: bool = False


class Given(NamedTuple):
    """What a form may depend on besides the rule's options: the metadata names and who is approved, lower case."""

    names: Names
    approved: frozenset[str] = frozenset()


type Control = Callable[[Any, Given], Form | str] | Form | str
"""(options, Given) -> the form, or one sentence why there is none; either alone where nothing decides it."""


def alias(name: str) -> str:
    """Return the alias of a property of an exemption."""
    return f"{TYPE}/{name}"


def every(conditions: Iterable[Condition]) -> Condition:
    """Return the condition that all of them hold; itself where it is one."""
    return _joined("allOf", conditions)


def some(conditions: Iterable[Condition]) -> Condition:
    """Return the condition that any of them holds; itself where it is one."""
    return _joined("anyOf", conditions)


def _joined(operator: str, conditions: Iterable[Condition]) -> Condition:
    found: list[Condition] = []
    for inner in (inner for one in conditions for inner in one.get(operator, (one,))):
        if inner not in found:
            found.append(inner)
    return found[0] if len(found) == 1 else {operator: found}


def blank(name: str) -> Condition:
    """Return the condition that a property is absent or an empty text."""
    return some(({"field": alias(name), "exists": False}, {"field": alias(name), "equals": ""}))


def written(name: str) -> str:
    """Return a call that gives a property as JSON without its first quote, and `]` behind it: `SEC-1"]` for `SEC-1`.

    It never fails: there is a text for every type, and for what is absent. Only a text has a quote before the `]`.
    """
    return f"skip(string(createArray(field('{alias(name)}'))),2)"


_SECOND: Final = "####-##-##T##:##:##"
_DECIMALS: Final = 7
_DIGITS: Final = f"createArray({','.join(f"'{digit}'" for digit in range(10))})"
_FOURS: Final = [f"{number:02}" for number in range(4, 100, 4)]


def ends(function: str, time: str) -> Condition:
    """Return the condition that `function` (greater, less, ...) holds for an exemption's end and a time, to the second.

    Azure compares dates with dates only, and takes fewer forms for a date than RFC 3339. So texts are compared, of UTC
    times of one form; an end of any other form, or that no calendar has, fulfils no condition. `time` is a call of a
    date function.
    """
    end = written("expiresOn")
    forms = [f'{_SECOND}Z"]', *(f'{_SECOND}.{"#" * count}Z"]' for count in range(1, _DECIMALS + 1))]
    # In a form, # is a digit of any script and . any character: what is left without 0 to 9 must be these signs.
    signs = f"contains(createArray('--T::Z\"]','--T::.Z\"]'),join(split({end},{_DIGITS}),''))"
    return every(
        (
            some({"value": f"[{end}]", "match": form} for form in forms),
            {"value": f"[{signs}]", "equals": "true"},
            *_on_a_calendar(end),
            {"value": f"[{function}(take({end},19),take({time},19))]", "equals": "true"},
        )
    )


def _on_a_calendar(end: str) -> list[Condition]:
    """Return the conditions that a text of the form of a time is one: no 30 February, hour 24 or leap second."""

    def part(start: int, length: int) -> str:
        return f"take(skip({end},{start}),{length})"

    least = {0: "0000", 5: "00", 8: "00"}
    most = {5: "13", 8: "32", 11: "24", 14: "60", 17: "60"}
    within = [f"less('{bound}',{part(start, len(bound))})" for start, bound in least.items()]
    within += [f"less({part(start, 2)},'{bound}')" for start, bound in most.items()]
    day = {"value": f"[{part(5, 5)}]"}
    return [
        {"value": f"[and({','.join(within)})]", "equals": "true"},
        {**day, "notIn": ["02-30", "02-31", "04-31", "06-31", "09-31", "11-31"]},
        some(
            (
                {**day, "notEquals": "02-29"},
                {"value": f"[{part(2, 2)}]", "in": _FOURS},
                {"value": f"[{part(0, 4)}]", "in": [f"{century}00" for century in _FOURS]},
            )
        ),
    ]


def lacks(role: str, names: Names) -> Condition | None:
    """Return the condition that the metadata has no key that says `role`; None where a key's spelling forbids one.

    The alias is of the whole object (since April 2026), so its JSON is searched, folded as `names.fold_name` does it.
    A text may hold JSON, where a key can be spelled with escapes: only an empty one surely lacks the key.
    """
    keys = sorted({fold_name(key) for key in names.roles[role]})
    if not all(map(_SAFE.fullmatch, keys)):  # JSON may write other characters as escapes
        return None
    folded = f"toLower(string(createArray(field('{alias('metadata')}'))))"
    for sign in "_-. ":
        folded = f"replace({folded},'{sign}','')"
    each = {"value": [f'"{key}"' for key in keys], "name": "key"}
    none = {"count": {**each, "where": {"value": f"[{folded}]", "contains": "[current('key')]"}}, "equals": 0}
    said = {"value": f"[{written('metadata')}]"}
    return every((some(({**said, "equals": '"]'}, {**said, "notLike": '*"]'})), none))


def why_unmatched(role: str) -> str:
    """Return why there is no form where `lacks` gives none."""
    return f"A metadata key for {role} in the ruleset contains other characters than letters and digits."


def matches(subject: Condition, glob: str) -> Condition | None:
    """Return the condition that a text matches a glob; None where Azure's `like`, with its one `*`, cannot say it."""
    texts, plain = pieces(glob)
    if not plain:
        return None
    if len(texts) == 1:
        return {**subject, "equals": texts[0]}
    if len(texts) == 2:
        return {**subject, "like": f"{texts[0]}*{texts[1]}"}
    if len(texts) == 3 and not texts[0] and not texts[2]:
        return {**subject, "contains": texts[1]}
    return None


def around(glob: str, end: str = "") -> Condition:
    """Return a condition on the id that holds at least where the id starts with what the glob and `end` match.

    For what keeps a policy off. It may hold elsewhere too, for every text between wildcards is only looked for.
    """
    texts = pieces(glob)[0]
    texts[-1] += end
    if len(texts) == 1:
        return {**ID, "like": f"{texts[0]}*"}
    start = [{**ID, "like": f"{texts[0]}*"}] if texts[0] else []
    found = [*start, *({**ID, "contains": text} for text in texts[1:] if text)]
    return every(found or [{**ID, "like": "*"}])


def around_scope(glob: str) -> Condition:
    """Return a condition on the id that holds at least where the exemption's scope matches a glob."""
    return around(glob.rstrip("/"), _BELOW)
