"""YAML as Bicep's compiler reads it: with SharpYaml 3, untyped. Pure.

It differs from YAML 1.1: dates stay texts, `yes` is a text, `0123` is 123, and an empty value in flow style is an empty
text. What the two parsers may read differently is refused here, and so Unknown.
"""

import re
from typing import Any, Final

import yaml

from guardrails.evaluation.values import Unknown, Value
from guardrails.lazy_regex import lazy_regex

DEEPEST: Final = 60
MOST: Final = 200_000
"""Values of one file that are read: aliases can make few lines many."""

_WORDS: Final[dict[str, Value]] = {"": None, "~": None, "null": None, "true": True, "false": False}
_INTEGER: Final = lazy_regex(r"([+-]?)(?:0[xX]([0-9A-Fa-f]+)|0[oO]([0-7]+)|0[bB]([01]+)|([0-9]+))")
_DECIMAL: Final = lazy_regex(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_UNSURE: Final = frozenset({"nan", "infinity", ".inf", ".nan", "∞"})
_TEXT: Final = "tag:yaml.org,2002:str"


class NoYaml(Exception):
    """The text is no YAML that is read here; the text of this says why. `refused`: the compiler does not read it."""

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


def read(text: str) -> Value:
    """Return the value of the first document. Raises NoYaml."""
    try:
        events = yaml.parse(text, Loader=yaml.SafeLoader)
        return _Reader(events).document()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise NoYaml(f"{getattr(error, 'problem', None) or 'it is no YAML'}{where}") from None
    except RecursionError:
        raise NoYaml("it is nested too deep") from None


class _Reader:
    """Makes a value of the events of PyYAML's parser."""

    def __init__(self, events: Any) -> None:
        self._events = iter(events)
        self._anchors: dict[str, Value] = {}
        self._left = MOST

    def document(self) -> Value:
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                return self._value(next(self._events), flow=False, depth=0)
        raise NoYaml("it is empty", refused=True)

    def _value(self, event: Any, *, flow: bool, depth: int) -> Value:
        self._left -= 1
        if self._left < 0 or depth > DEEPEST:
            raise NoYaml("it holds more than is read")
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise NoYaml(f"there is no anchor {event.anchor}", refused=True)
            value = self._anchors[event.anchor]
            self._left -= _size(value)
            return value
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event, flow=flow)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(flow=flow or bool(event.flow_style), depth=depth)
        else:
            value = self._mapping(flow=flow or bool(event.flow_style), depth=depth)
        if event.anchor:
            self._anchors[event.anchor] = value
        return value

    def _sequence(self, *, flow: bool, depth: int) -> Value:
        items: list[Value] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event, flow=flow, depth=depth + 1))
        return items

    def _mapping(self, *, flow: bool, depth: int) -> Value:
        made: dict[str, Value] = {}
        own: set[str] = set()
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise NoYaml(f"a key is no text, {_line(event)}", refused=True)
            value = self._value(next(self._events), flow=flow, depth=depth + 1)
            if event.value == "<<":
                for one in value if isinstance(value, list) else [value]:
                    if not isinstance(one, dict):
                        raise NoYaml(f"what << takes in is no mapping, {_line(event)}", refused=True)
                    made |= {key: part for key, part in one.items() if key not in own}
                continue
            if event.value in own:
                raise NoYaml(f"the key {event.value} is given twice, {_line(event)}", refused=True)
            own.add(event.value)
            made[event.value] = value
        return made


def _line(event: Any) -> str:
    """Return where an event of the parser is, as "at line 3"."""
    return f"at line {event.start_mark.line + 1}"


def _size(value: Value) -> int:
    if isinstance(value, list):
        return 1 + sum(map(_size, value))
    return 1 + sum(map(_size, value.values())) if isinstance(value, dict) else 1


def _scalar(event: Any, *, flow: bool) -> Value:
    text: str = event.value
    if event.tag is not None and event.tag not in {_TEXT, "!"}:
        return Unknown(f"what Bicep makes of the YAML tag {event.tag} is not known for certain")
    if event.style or event.tag is not None or (flow and not text):
        return text
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    bare = text.replace("_", "")
    if found := _INTEGER.fullmatch(bare):
        return _integer(found)
    if bare.lower().lstrip("+-") in _UNSURE:
        return Unknown(f"what Bicep makes of {text} in YAML is not known for certain")
    return float(bare) if _DECIMAL.fullmatch(bare) else text


def _integer(found: re.Match[str]) -> Value:
    sign, *digits = found.groups()
    if max(len(one or "") for one in digits) > 64:
        return Unknown("what Bicep makes of a number of so many digits is not known for certain")
    of = ((digits[0], 16), (digits[1], 8), (digits[2], 2), (digits[3], 10))
    value = next(int(text, base) for text, base in of if text is not None)
    value = -value if sign == "-" else value
    return value if -(2**63) <= value < 2**63 else Unknown("the number does not fit into 64 bits")
