"""One tree of expressions for ARM templates and Bicep. Pure.

A reader makes the nodes; `evaluate` computes them. Names are resolved by the reader: a Bicep name becomes a
`Parameter`, `Variable`, `Local` or `Symbol`; `parameters('x')` of ARM becomes `Parameter`. A name of a function stays
a name, for the table of functions decides.
"""

from typing import TYPE_CHECKING, Any, Final

from guardrails.dataclass import dataclass
from guardrails.evaluation.values import NOWHERE, Place, Unknown, Value

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True, repr=False)
class Literal:
    """A literal value: null, bool, int, float or text; no list or object."""

    value: Value
    place: Place = NOWHERE


@dataclass(slots=True, repr=False)
class Opaque:
    """What a reader cannot lower, or must not read, such as a file outside the repository: always this Unknown."""

    unknown: Unknown

    @property
    def place(self) -> Place:
        """Where it is written."""
        return self.unknown.place


@dataclass(slots=True, repr=False)
class Impossible:
    """What the compiler or engine refuses where it is computed, such as a function that does not exist."""

    message: str
    place: Place = NOWHERE


@dataclass(slots=True, repr=False)
class Interpolation:
    """Bicep's `'a${b}c'`: texts and expressions in order; computed as `format` does."""

    parts: list["str | Node"]
    place: Place = NOWHERE


@dataclass(slots=True, repr=False)
class Spread:
    """`...x` in an array or object."""

    value: "Node"
    place: Place = NOWHERE


@dataclass(slots=True, repr=False)
class Array:
    """`[a, b, ...c]`."""

    items: list["Node | Spread"]
    place: Place = NOWHERE


@dataclass(slots=True, repr=False)
class Member:
    """One `key: value` of an object; the key may be an expression. `place`: the key's."""

    key: "str | Node"
    value: "Node"
    place: Place = NOWHERE


@dataclass(slots=True, repr=False)
class Object:
    """`{a: b, ...c}`."""

    members: list[Member | Spread]
    place: Place = NOWHERE


DEEPEST_RECORD: Final = 5
"""Levels of objects and lists in a record, with its own."""


class Record(Object):
    """An object of which the values are read, and its `members` only when somebody asks for them, with their places.

    To make nodes of all members takes far longer than to read them, and of most objects nobody needs them.

    Attributes:
        values: by key: None, a bool, an integer or a text; a list of these; a dict like this one; or a node, whose
            place is not known. So what a node gives counts only where it is certain; see evaluation.records.
        read: reads the members.
    """

    __slots__ = ("_members", "read", "values")

    def __init__(self, values: dict[str, Any], place: Place, read: "Callable[[], list[Member | Spread]]") -> None:
        self.values, self.place, self.read = values, place, read
        self._members: list[Member | Spread] | None = None

    @property
    def members(self) -> list[Member | Spread]:  # type: ignore[override]  # they are never set
        """The members, as they would have been read with the object."""
        if self._members is None:
            self._members = self.read()
        return self._members

    @property
    def is_read(self) -> bool:
        """Whether somebody has asked for the members."""
        return self._members is not None

    def whole(self) -> Object:
        """Return the object with its members."""
        return Object(self.members, self.place)

    def changed(self, values: dict[str, Any], change: "Callable[[Object], object]") -> "Record":
        """Return this with other values. `change` makes of its members in place what they then are."""
        read, place = self.read, self.place

        def anew() -> list[Member | Spread]:
            made = Object(read(), place)
            change(made)
            return made.members

        return Record(values, place, anew)


@dataclass(slots=True, repr=False)
class Parameter:
    """The value of a parameter of the template, or of the user function in whose body it is written."""

    name: str
    place: Place = NOWHERE


@dataclass(slots=True, repr=False)
class Variable:
    """The value of a variable of the template."""

    name: str
    place: Place = NOWHERE


@dataclass(slots=True, repr=False)
class Local:
    """A variable of a lambda or of a Bicep loop: `x => x`, `lambdaVariables('x')`, `[for x in xs: x]`."""

    name: str
    place: Place = NOWHERE


@dataclass(slots=True, repr=False)
class Symbol:
    """A resource or module by its symbolic name (Bicep). `Access` reads its id, name, properties or outputs."""

    name: str
    place: Place = NOWHERE


@dataclass(slots=True, repr=False)
class Access:
    """`target.key`, `target[key]`, and the safe `target.?key`, `target[?key]`, where what is missing is null.

    Attributes:
        safe: null for what is missing, and for all that is accessed on it in the same chain.
        from_end: `target[^1]`, which counts from the end, from 1.
    """

    target: "Node"
    key: "Node"
    safe: bool = False
    from_end: bool = False
    place: Place = NOWHERE


@dataclass(slots=True, repr=False)
class Call:
    """A function's call. `name` as written: `guid`, `contoso.ticket` of ARM, a user function of Bicep.

    Bicep's operators are calls of ARM's functions, as the compiler makes them: `a == b` is `equals(a, b)`.
    """

    name: str
    arguments: list["Node"]
    place: Place = NOWHERE


@dataclass(slots=True, repr=False)
class Conditional:
    """`test ? yes : no`; only one side is computed."""

    test: "Node"
    yes: "Node"
    no: "Node"
    place: Place = NOWHERE


@dataclass(slots=True, repr=False)
class Lambda:
    """A function given to `map`, `filter` and the like."""

    names: list[str]
    body: "Node"
    place: Place = NOWHERE


@dataclass(slots=True, repr=False)
class Loop:
    """How often something is repeated.

    Attributes:
        name: Bicep: the item's variable (a `Local`). ARM: the loop's name, which `copyIndex` reads.
        items: Bicep: the list that is looped over. None for ARM.
        count: ARM: the number of turns. None for Bicep.
        index: Bicep: the index's variable; None where there is none.
    """

    name: str
    items: "Node | None" = None
    count: "Node | None" = None
    index: str | None = None
    place: Place = NOWHERE


@dataclass(slots=True, repr=False)
class Comprehension:
    """`[for x in xs: body]`, and ARM's property copy: a list of the body's values.

    `condition`: Bicep's `if (...)`; an item for which it is false is left out.
    """

    loop: Loop
    body: "Node"
    condition: "Node | None" = None
    place: Place = NOWHERE


type Node = (
    Literal
    | Opaque
    | Impossible
    | Interpolation
    | Array
    | Object
    | Parameter
    | Variable
    | Local
    | Symbol
    | Access
    | Call
    | Conditional
    | Lambda
    | Comprehension
)
