"""What names in a Bicep file stand for. Pure data."""

from collections.abc import Mapping
from enum import Enum
from typing import Final

from guardrails.dataclass import dataclass
from guardrails.files.bicep_syntax import Declaration


class Kind(Enum):
    """What a declared name stands for."""

    PARAMETER = "a parameter"
    VARIABLE = "a variable"
    TYPE = "a type"
    FUNCTION = "a function"
    RESOURCE = "a resource"
    MODULE = "a module"
    NAMESPACE = "a namespace"
    ERROR = "what could not be read"


class Where(Enum):
    """Where an expression is: it decides which names and functions there are."""

    ANYWHERE = 0
    DEFAULT = 1
    """A parameter's default value: other parameters, and utcNow() and newGuid()."""
    FUNCTION = 2
    """A user function: its arguments, variables and functions."""
    PARAMETERS = 3
    """A parameter file."""


LOCAL: Final = ""
"""In the names of a lambda or loop: one of its variables."""
ARGUMENT: Final = "()"
"""The same for a parameter of a user function."""

type Locals = Mapping[str, str]
"""The names of lambdas, loops and functions around an expression, and of nested resources (their whole symbol)."""


@dataclass(slots=True)
class Named:
    """One declared name. `members`: of a namespace: what is in it, and what each stands for."""

    kind: Kind
    declaration: Declaration | None = None
    members: Mapping[str, Kind] | None = None
