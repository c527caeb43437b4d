"""How a function of templates is declared, and how its arguments are checked. Pure.

An implementation gets the values of its arguments and returns a value. It raises `EngineError` where the engine
refuses the call, and returns `unsure(...)` where what the engine does is not known for certain.
"""

from collections.abc import Callable
from typing import Final, TypeGuard

from guardrails.dataclass import dataclass
from guardrails.evaluation.values import EngineError, Unknown, Value

MANY: Final = 1000
"""The most arguments of a function that takes any number."""
LONGEST_TEXT: Final = 1_000_000
"""Characters of a computed text; a longer one is Unknown. Azure refuses far shorter ones."""

TOO_LONG: Final = Unknown("a text of more than a million characters is not computed", doubt=True)


@dataclass(frozen=True, slots=True)
class Function:
    """One function of templates.

    Attributes:
        name: as Microsoft writes it.
        least, most: numbers of arguments.
        compute: gives the value for the arguments' values.
        partial: it can compute with arguments that are Unknown or hold Unknown. Otherwise its result is Unknown then.
    """

    name: str
    least: int
    most: int
    compute: Callable[[list[Value]], Value]
    partial: bool = False


FUNCTIONS: Final[dict[str, Function]] = {}
"""All functions that need nothing but their arguments, by name in lower case."""


def function(
    name: str, least: int, most: int | None = None, *, partial: bool = False
) -> Callable[[Callable[[list[Value]], Value]], Callable[[list[Value]], Value]]:
    """Declare an implementation of the function of this name. `most`: as `least` where it is not given."""

    def declare(compute: Callable[[list[Value]], Value]) -> Callable[[list[Value]], Value]:
        FUNCTIONS[name.lower()] = Function(name, least, least if most is None else most, compute, partial)
        return compute

    return declare


def unsure(what: str) -> Unknown:
    """Return Unknown for what Azure may compute in more than one way. `what`: as in "what Azure makes of `what`"."""
    return Unknown(f"what Azure makes of {what} is not known for certain", doubt=True)


def is_int(value: Value) -> TypeGuard[int]:
    """Whether a value is an integer; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def text(value: Value, name: str) -> str:
    """Return an argument that must be a text. Raises EngineError."""
    if not isinstance(value, str):
        raise EngineError(f"{name}() needs a text, not {kind(value)}")
    return value


def integer(value: Value, name: str) -> int:
    """Return an argument that must be an integer. Raises EngineError."""
    if not is_int(value):
        raise EngineError(f"{name}() needs an integer, not {kind(value)}")
    return int(value)


def kind(value: Value) -> str:
    """Name a value's kind for a message."""
    if isinstance(value, str):
        return "a text"
    names: dict[type, str] = {
        bool: "true or false",
        type(None): "null",
        list: "an array",
        dict: "an object",
        float: "a decimal",
    }
    for type_, name in names.items():
        if isinstance(value, type_):
            return name
    return "an integer" if isinstance(value, int) else "a value that is not known"
