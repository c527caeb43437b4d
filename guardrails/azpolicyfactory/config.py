"""A configuration file of AzPolicyFactory: one exemption and the keys of its scope. Pure."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from guardrails.dataclass import dataclass
from guardrails.evaluation.values import NOWHERE, Place

EXEMPTION: Final = "policyExemption"
"""The key of the exemption."""

type Value = Any
"""A value of JSON; objects are dicts, of a key that is there twice the last counts."""


class Reading(NamedTuple):
    """How the schema check reads a file. It is stricter than the build step.

    Attributes:
        readable: whether it can parse the file; None where that is not certain.
        value: what it parses; None where it cannot.
    """

    readable: bool | None
    value: Value = None


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file in the folder of an environment.

    Attributes:
        path: from the root of the repository.
        name: its path from the folder of the environment.
        value: what PowerShell reads; None where it cannot.
        strict: how the schema check reads it.
        stops: why PowerShell cannot read it; "" where it can.
        doubt: why it is not certain what PowerShell reads; "" where it is.
        at: the place that `stops` is about.
        place_of: the place of a JSON pointer: of the deepest part above it that is in the file.
    """

    path: str
    name: str
    value: Value
    strict: Reading
    stops: str = ""
    doubt: str = ""
    at: Place = NOWHERE
    place_of: Callable[[str], Place] = lambda _: NOWHERE

    @property
    def seen(self) -> bool | None:
        """Whether the checks and the build step look at it, by its name; None where that is not certain."""
        parts = self.name.split("/")
        if any(part.startswith(".") for part in parts) or not parts[-1].lower().endswith(".json"):
            return False
        return None if any(mark in self.name for mark in "[]*?`\\") else True

    @property
    def exemption(self) -> Value:
        """What PowerShell finds as the exemption."""
        return member(self.value, EXEMPTION)


def member(value: Value, name: str) -> Value:
    """Return the value of an object's key as PowerShell and the engine look it up: whatever its letter case."""
    key = spelled(value, name)
    return None if key is None else value[key]


def spelled(value: Value, name: str) -> str | None:
    """Return a key as an object spells it; None where it has none."""
    if not isinstance(value, dict):
        return None
    if name in value:
        return name
    low = name.lower()
    return next((key for key in value if key.lower() == low), None)


def units(text: str) -> str:
    """Return a text with one character for each unit of UTF-16, as .NET counts them."""
    if text.isascii():
        return text
    data = text.encode("utf-16-le", "surrogatepass")
    return "".join(chr(int.from_bytes(data[at : at + 2], "little")) for at in range(0, len(data), 2))
