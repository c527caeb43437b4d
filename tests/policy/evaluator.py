"""A second opinion on policies: evaluates a policy rule on a request, as Microsoft documents it. Knows nothing of ours.

Sources: Microsoft Learn, "Azure Policy definition structure policy rule", "... aliases", "... parameters", "Author
policies for array properties". Where they are silent or can be read in two ways, `Reading` says which way is taken; a
policy that must hold in Azure must hold in every one. The third reading is that of microsoft/regorus, which
Microsoft's own policy engine for other hosts is made with. The fourth fails wherever any of them could: a condition
that never fails in it cannot fail. Types that functions take, and which times are dates, are those of the expression
engine of Azure/azure-policy-linter.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, cast

from tests.policy import functions
from tests.policy.conditions import OPERATORS, Reading, compare
from tests.policy.expressions import Access, Call, Literal, Node, Refused, is_expression, parse, plain
from tests.policy.fields import EXEMPTION_ALIASES, MISSING, Fields, Selection, normal_location

__all__ = ["DOCUMENTED", "LENIENT", "READINGS", "REGORUS", "STRICT", "Policy", "Reading", "Refused"]

DOCUMENTED: Final = Reading("documented")
LENIENT: Final = Reading("lenient", mismatch_raises=False, eager=True, missing_is_empty=True)
REGORUS: Final = Reading(
    "regorus", mismatch_raises=False, dates_are_texts=True, question_mark=True, absent_array_fails=True
)
STRICT: Final = Reading("strict", eager=True, both_branches=True, missing_is_null=True)
READINGS: Final = (DOCUMENTED, LENIENT, REGORUS, STRICT)

_LOGICAL: Final = ("allof", "anyof", "not")
_SUBJECTS: Final = ("field", "value", "count")
_OF_THE_REQUEST: Final = frozenset(
    ("field", "parameters", "current", "utcnow", "if", "requestcontext", "policy", "resourcegroup", "subscription")
)


@dataclass(slots=True)
class _Around:
    """What a rule is evaluated in. Nothing changes it but what is noted in `known`; frozen ones take longer to make.

    Attributes:
        given: objects of requestContext(), policy(), resourceGroup() and subscription(), by lower-cased name.
        bound: which member each field count is at, by the array's path.
        currents: what current('name') gives, by lower-cased name.
        known: what expressions have given that give the same wherever they stand.
    """

    fields: Fields
    parameters: Mapping[str, Any]
    now: datetime
    reading: Reading
    given: Mapping[str, Any]
    bound: Mapping[str, int] = field(default_factory=dict)
    currents: Mapping[str, Any] = field(default_factory=dict)
    known: dict[str, Any] = field(default_factory=dict)

    def at(self, bound: Mapping[str, int], currents: Mapping[str, Any]) -> "_Around":
        """Return what is around one member of what is counted."""
        return _Around(
            self.fields, self.parameters, self.now, self.reading, self.given, bound, {**self.currents, **currents},
            self.known,
        )  # fmt: skip


class _Noted:
    """Answers in place of a reading, and notes which of its attributes an evaluation looks at."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._looked_at: dict[str, bool] = {}

    def __getattr__(self, name: str) -> bool:
        value: bool = getattr(self._reading, name)
        self._looked_at[name] = value
        setattr(self, name, value)  # so that Python finds it from now on, and does not come here again
        return value

    def forget_what_only_fails(self) -> None:
        """Forget the attributes that make an evaluation look at more than it needs: no part of it has failed."""
        for name in ("eager", "both_branches"):
            if self._looked_at.get(name):
                del self._looked_at[name]

    def speaks_for(self, other: Reading) -> bool:
        """Whether an evaluation in the other reading goes the same way."""
        return all(getattr(other, name) is value for name, value in self._looked_at.items())


@dataclass(frozen=True, slots=True)
class _Expression:
    """An expression as read.

    Attributes:
        computed: it looks at the request, so that its type is not known before.
        steady: it gives the same inside and outside of counts.
    """

    text: str
    node: Node
    computed: bool
    steady: bool


@dataclass(frozen=True, slots=True)
class _Condition:
    """A condition as read: what it looks at (field, value or count), and what that is compared with.

    Attributes:
        where: of a count, what its members fulfil; None where all of them count.
    """

    subject: str
    left: Any
    operator: str
    right: Any
    where: "_Logic | None" = None


@dataclass(frozen=True, slots=True)
class _Several:
    """Logical operator as read: allof, anyof, or not, which is of one."""

    kind: str
    of: tuple["_Logic", ...]


type _Logic = _Condition | _Several


class Policy:
    """A policy definition, checked as Azure checks it when it is written.

    Args:
        definition: ARM JSON: {name, properties: {...}} or the properties alone.
        aliases: alias -> path in the body where that is not `properties.` and the alias's rest; in any casing.
    """

    def __init__(self, definition: Mapping[str, Any], aliases: Mapping[str, str] | None = None) -> None:
        properties = definition.get("properties", definition)
        self.mode = str(properties.get("mode", "All"))
        self.metadata: Mapping[str, Any] = properties.get("metadata", {})
        self.rule: Mapping[str, Any] = properties["policyRule"]
        self.declared: Mapping[str, Mapping[str, Any]] = properties.get("parameters", {})
        self._aliases = {**EXEMPTION_ALIASES, **{alias.lower(): path for alias, path in (aliases or {}).items()}}
        if not self.rule.keys() >= {"if", "then"}:
            raise Refused("a policy rule has an if and a then")
        conditions = list(_conditions(self.rule["if"]))
        self._if = _prepared(self.rule["if"])
        if len(conditions) > 4096:
            raise Refused(f"{len(conditions)} conditions; 4096 are allowed")
        if sum("value" in (_lower(one).get("count") or {}) for one in conditions) > 10:
            raise Refused("more than 10 value counts")
        called = [call for one in conditions for call in _calls_in(one)] + list(_calls_in(self.rule["then"]))
        if len(called) > 2048:
            raise Refused(f"{len(called)} functions; 2048 are allowed")
        for one in called:
            self._check(one)

    def fires(
        self,
        body: Mapping[str, Any],
        now: datetime,
        *,
        parameters: Mapping[str, Any] | None = None,
        reading: Reading = DOCUMENTED,
        given: Mapping[str, Any] | None = None,
    ) -> bool:
        """Whether the rule's condition is true. Raises Refused where evaluation fails, which Azure answers with deny.

        `parameters` are the assignment's; what it does not give is the default's. `given` is what functions such as
        resourceGroup give back, by name.
        """
        return _holds(self._if, self._around(body, now, parameters, given, reading))

    def _around(
        self,
        body: Mapping[str, Any],
        now: datetime,
        parameters: Mapping[str, Any] | None,
        given: Mapping[str, Any] | None,
        reading: Reading = DOCUMENTED,
    ) -> _Around:
        objects = {name.lower(): value for name, value in (given or {}).items()}
        return _Around(Fields(body, self._aliases), self.values(parameters), now, reading, objects)

    def answers(
        self,
        body: Mapping[str, Any],
        now: datetime,
        *,
        parameters: Mapping[str, Any] | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> dict[str, str]:
        """Return what each reading makes of a request: "fires", "fails: ..." (a deny too), or "" for neither."""
        try:
            request = self._around(body, now, parameters, given)
        except Refused as refused:
            return {reading.name: f"fails: {refused}" for reading in READINGS}
        found: dict[str, str] = {}
        evaluated: list[tuple[_Noted, str]] = []
        for reading in reversed(READINGS):  # the strictest first: it speaks for most of the others
            answer = next((answer for noted, answer in evaluated if noted.speaks_for(reading)), None)
            if answer is None:
                noted = _Noted(reading)
                answer = self._answer(replace(request, reading=cast(Reading, noted), known={}))
                if not answer.startswith("fails"):
                    noted.forget_what_only_fails()
                evaluated.append((noted, answer))
            found[reading.name] = answer
        return found

    def _answer(self, around: _Around) -> str:
        try:
            return "fires" if _holds(self._if, around) else ""
        except Refused as refused:
            return f"fails: {refused}"

    def effect(self, parameters: Mapping[str, Any] | None = None) -> str:
        """Return the effect with these parameters, lower case."""
        said = self.rule["then"]["effect"]
        if not is_expression(said):
            return str(said).lower()
        node = parse(said)
        if not isinstance(node, Call) or node.name != "parameters":
            raise Refused("an effect is a text or a parameter")
        return str(self.values(parameters)[_parameter(node)]).lower()

    def values(self, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return each parameter's value, by lower-cased name. Raises Refused as Azure refuses the assignment."""
        said = {name.lower(): value for name, value in (given or {}).items()}
        declared = {name.lower(): about for name, about in self.declared.items()}
        if unknown := said.keys() - declared.keys():
            raise Refused(f"there is no parameter {', '.join(sorted(unknown))}")
        values = {}
        for name, about in declared.items():
            if name not in said and "defaultValue" not in about:
                raise Refused(f"the parameter {name} has no value")
            value = said.get(name, about.get("defaultValue"))
            kind = str(about["type"]).lower()
            if kind not in _KINDS or not _KINDS[kind](value):
                raise Refused(f"the parameter {name} is of type {about['type']}, and {value!r:.60} is not")
            allowed = about.get("allowedValues")
            chosen: list[Any] = value if isinstance(value, list) else [value]
            if allowed is not None and any(one not in allowed for one in chosen):
                raise Refused(f"the parameter {name} may be one of {allowed}, not {value!r:.60}")
            values[name] = value
        return values

    def _check(self, called: Call) -> None:
        if called.name == "parameters":
            name = _parameter(called)
            if name not in {one.lower() for one in self.declared}:
                raise Refused(f"there is no parameter {name}")
        elif called.name not in _OF_THE_REQUEST and called.name not in functions.KNOWN:
            functions.call(called.name, [])  # says whether Azure lacks it, or we do


_KINDS: Final = {
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "datetime": lambda value: isinstance(value, str),
}


def _lower(node: Mapping[str, Any]) -> dict[str, Any]:
    return {key.lower(): value for key, value in node.items()}


def _prepared(node: Mapping[str, Any]) -> _Logic:
    """Return a condition or a logical operator with its expressions read."""
    said = _lower(node)
    if logical := next((name for name in _LOGICAL if name in said), ""):
        below = said[logical]
        return _Several(logical, tuple(_prepared(one) for one in ([below] if logical == "not" else below)))
    subject, operator = _parts(said)
    left, where = said[subject], None
    if subject == "count":
        count = _lower(left)
        where = _prepared(count.pop("where")) if "where" in count else None
        left = {key: _read(value) for key, value in count.items()}
    else:
        left = _read(left)
    return _Condition(subject, left, operator, _read(said[operator]), where)


def _read(said: Any) -> Any:
    """Return a value of a rule with its expressions read; texts lose their escape."""
    if isinstance(said, list):
        return [_read(item) for item in said]
    if not is_expression(said):
        return plain(said) if isinstance(said, str) else said
    calls = list(_calls_below(parse(said)))
    looks = [one for one in calls if one.name in ("field", "current")]
    steady = not any(one.name == "current" or "[*]" in str(one.arguments) for one in looks)
    return _Expression(said, parse(said), bool(looks), steady)


def _conditions(node: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every condition below a node. Raises Refused for what is neither condition nor logical operator."""
    if not isinstance(node, Mapping) or not node:
        raise Refused(f"a condition is an object, not {node!r:.60}")
    said = _lower(node)
    if logical := [name for name in _LOGICAL if name in said]:
        if len(said) > 1:
            raise Refused(f"{logical[0]} has to be alone, without {sorted(said.keys() - set(logical))}")
        below = said[logical[0]]
        if logical[0] != "not" and (not isinstance(below, list) or not below):
            raise Refused(f"{logical[0]} holds a list of conditions")
        for one in [below] if logical[0] == "not" else below:
            yield from _conditions(one)
        return
    _parts(said)
    yield node
    if "count" in said and "where" in said["count"]:
        yield from _conditions(said["count"]["where"])


def _parts(said: Mapping[str, Any]) -> tuple[str, str]:
    """Return what a condition looks at (field, value, count) and its operator."""
    subjects = [name for name in said if name in _SUBJECTS]
    operators = [name for name in said if name in OPERATORS]
    if len(subjects) != 1 or len(operators) != 1 or len(said) != 2:
        raise Refused(f"a condition has one of field, value and count and one operator, not {sorted(said)}")
    if subjects[0] == "count":
        count = said["count"]
        if not isinstance(count, Mapping) or len({"field", "value"} & count.keys()) != 1:
            raise Refused("count has either a field or a value")
        if not count.keys() <= ({"field", "where"} if "field" in count else {"value", "name", "where"}):
            raise Refused(f"count has no {sorted(count)}")
    OPERATORS[operators[0]].check(said[operators[0]])
    return subjects[0], operators[0]


def _calls_in(value: Any) -> Iterator[Call]:
    """Yield every function call in the expressions of a value."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key.lower() != "where":  # its conditions are looked at by themselves
                yield from _calls_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from _calls_in(item)
    elif is_expression(value):
        yield from _calls_below(parse(value))


def _calls_below(node: Node) -> Iterator[Call]:
    if isinstance(node, Access):
        yield from _calls_below(node.of)
        yield from _calls_below(node.key)
    elif isinstance(node, Call):
        yield node
        for argument in node.arguments:
            yield from _calls_below(argument)


def _parameter(called: Call) -> str:
    if len(called.arguments) != 1 or not isinstance(called.arguments[0], Literal):
        raise Refused("parameters() takes the name of one parameter")
    return str(called.arguments[0].value).lower()


def _holds(said: _Logic, around: _Around) -> bool:
    """Return whether a condition or logical operator is true. A reading that is eager looks at all of them."""
    if isinstance(said, _Several):
        results: Iterable[bool] = (_holds(one, around) for one in said.of)
        if around.reading.eager:
            results = list(results)
        return any(results) if said.kind == "anyof" else all(results) is (said.kind == "allof")
    operator, wanted = said.operator, said.right
    if type(wanted) is _Expression:
        computed, wanted = wanted.computed, _value(wanted, around)
        if wanted is None:
            raise Refused(f"{operator} is compared with null")
        OPERATORS[operator].check(wanted, computed=computed)
    elif type(wanted) is list:
        wanted = _value(wanted, around)
    if said.subject == "value":
        return compare(operator, _value(said.left, around), wanted, around.reading)
    if said.subject == "count":
        return compare(operator, _count(said.left, said.where, around), wanted, around.reading)
    return _field_holds(said.left, operator, wanted, around)


def _field_holds(said: Any, operator: str, wanted: Any, around: _Around) -> bool:
    name = str(_value(said, around))
    found = around.fields.select(name, around.bound)
    if name.lower() == "location":
        wanted = [normal_location(str(one)) for one in wanted] if isinstance(wanted, list) else wanted
        wanted = normal_location(wanted) if isinstance(wanted, str) and operator != "exists" else wanted
    if not isinstance(found, Selection):
        return compare(operator, found, wanted, around.reading)
    if found.absent and around.reading.absent_array_fails:
        return False
    results = [compare(operator, one, wanted, around.reading) for one in found]
    return all(results)


def _count(count: Mapping[str, Any], where: _Logic | None, around: _Around) -> int:
    """Return how many members fulfil `where`; all of them where there is none."""
    if "field" in count:
        alias = str(_value(count["field"], around))
        inside = [_at(alias, bound, around) for bound in around.fields.members(alias, around.bound)]
    else:
        values = _value(count["value"], around)
        if not isinstance(values, list):
            raise Refused("the value of a count is an array")
        if len(values) > 100:
            raise Refused("a value count of more than 100 members")
        names = [str(count.get("name", "default")).lower(), ""]
        inside = [around.at(around.bound, dict.fromkeys(names, one)) for one in values]
    return sum([where is None or _holds(where, one) for one in inside])


def _at(alias: str, bound: Mapping[str, int], around: _Around) -> _Around:
    """Return what is around one member of a counted array."""
    member = around.fields.select(alias, bound)[0]
    return around.at(bound, {alias.lower(): member, "": member})


def _value(said: Any, around: _Around) -> Any:
    """Return what a value of a rule, as `_read` gives it, stands for."""
    if isinstance(said, list):
        return [_value(item, around) for item in said]
    if not isinstance(said, _Expression):
        return said
    if not said.steady:
        return _evaluated(said.node, around)
    if said.text not in around.known:
        around.known[said.text] = _evaluated(said.node, around)
    return around.known[said.text]


def _evaluated(node: Node, around: _Around) -> Any:
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, Access):
        return functions.access(_evaluated(node.of, around), _evaluated(node.key, around))
    if node.name == "parameters":
        return around.parameters[_parameter(node)]
    if node.name == "if":
        return _chosen(node, around)
    arguments = [_evaluated(argument, around) for argument in node.arguments]
    if node.name == "field":
        return _literal(around.fields.select(str(_only(node, arguments)), around.bound), around.reading)
    if node.name == "current":
        return _current_of(str(arguments[0]) if arguments else "", around)
    if node.name == "utcnow":
        if arguments:
            raise functions.Unsupported("utcNow(format)")
        return functions.spell(around.now)
    if node.name in _OF_THE_REQUEST:
        if node.name not in around.given:
            raise functions.Unsupported(f"{node.name}() was not given")
        return around.given[node.name]
    return functions.call(node.name, arguments)


def _chosen(node: Call, around: _Around) -> Any:
    """Return the branch of if() that its condition chooses; the other one may be evaluated too."""
    if len(node.arguments) != 3:
        raise Refused("if() takes a condition and two values")
    condition = _evaluated(node.arguments[0], around)
    if not isinstance(condition, bool):
        raise Refused(f"the condition of if() is true or false, not {condition!r:.60}")
    if around.reading.both_branches:
        _evaluated(node.arguments[2 if condition else 1], around)
    return _evaluated(node.arguments[1 if condition else 2], around)


def _only(node: Call, arguments: list[Any]) -> Any:
    if len(arguments) != 1:
        raise Refused(f"{node.name}() takes one argument")
    return arguments[0]


def _current_of(name: str, around: _Around) -> Any:
    """Return what current() gives: a counted value, a counted member, or a property of that."""
    if name.lower() in around.currents:
        return around.currents[name.lower()]
    found = around.fields.select(name, around.bound) if around.bound and "[*]" in name else MISSING
    if not isinstance(found, Selection) or len(found) != 1:
        raise Refused(f"current('{name}') is not being counted here")
    return _literal(found[0], around.reading)


def _literal(found: Any, reading: Reading) -> Any:
    """Return what field() gives: "" or null for what is not in the request, an array for an array alias."""
    if isinstance(found, Selection):
        return [None if one is MISSING else one for one in found]
    return (None if reading.missing_is_null else "") if found is MISSING else found
