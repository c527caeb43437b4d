"""Whether a value may be given to a parameter: its type and what is allowed. Pure."""

from typing import TYPE_CHECKING, Final

from guardrails.evaluation.frames import Env, Frame
from guardrails.evaluation.functions import units
from guardrails.evaluation.functions.base import is_int, kind
from guardrails.evaluation.functions.characters import same_key
from guardrails.evaluation.functions.comparing import NotCertain
from guardrails.evaluation.functions.lists import Found
from guardrails.evaluation.functions.objects import find_key
from guardrails.evaluation.template import TypeOf
from guardrails.evaluation.values import EngineError, Partial, Place, Unknown, Value

if TYPE_CHECKING:
    from guardrails.evaluation.evaluate import Evaluator

_NAMES: Final = {"string": "a text", "int": "an integer", "bool": "true or false", "array": "an array",
                 "object": "an object"}  # fmt: skip
_DEEPEST: Final = 30


def checked(evaluator: "Evaluator", frame: Frame, type_: TypeOf, value: Value, *, what: str, place: Place) -> Value:
    """Return a value that a parameter takes; Unknown where it is not known whether the engine takes it.

    Raises EngineError where it certainly does not. `what`: names the parameter: "the parameter 'ends'".
    """
    return _Check(evaluator, frame, place).value(type_, value, what, 0)


class _Check:
    """Checks a value against a type, and the types in it."""

    def __init__(self, evaluator: "Evaluator", frame: Frame, place: Place) -> None:
        self._evaluator, self._frame, self._place = evaluator, frame, place

    def value(self, type_: TypeOf, value: Value, what: str, depth: int) -> Value:
        if type_.reference and depth < _DEEPEST:
            named = self._frame.template.types.get(type_.reference)
            if named is None:
                return self._unknown(f"{what} has the type {type_.reference[:60]!r}, which there is not")
            if value is None and type_.nullable:
                return value
            return self.value(named, value, what, depth + 1)
        if isinstance(value, Unknown | Partial) or depth >= _DEEPEST:
            return value
        if value is None:
            return self._null(type_, what)
        if (doubt := self._kind(type_, value, what)) is not None:
            return doubt
        if (doubt := self._allowed(type_, value, what)) is not None:
            return doubt
        self._limits(type_, value, what)
        return self._inside(type_, value, what, depth)

    def _refused(self, message: str) -> EngineError:
        return EngineError(message, self._place)

    def _unknown(self, message: str) -> Unknown:
        return Unknown(message, self._place, doubt=True)

    def _null(self, type_: TypeOf, what: str) -> Value:
        if type_.nullable or not type_.kind:
            return None
        return self._unknown(f"whether Azure takes null for {what} is not known for certain")

    def _kind(self, type_: TypeOf, value: Value, what: str) -> Unknown | None:
        fits = {
            "string": isinstance(value, str),
            "int": is_int(value),
            "bool": isinstance(value, bool),
            "array": isinstance(value, list),
            "object": isinstance(value, dict),
        }.get(type_.kind, True)
        if fits:
            return None
        message = f"{what} is {kind(value)}, not {_NAMES[type_.kind]}"
        converted = (isinstance(value, str) and type_.kind in ("int", "bool", "array", "object")) or (
            isinstance(value, float) and type_.kind == "int"
        )
        if converted:
            return self._unknown(f"{message}; whether Azure converts it is not known for certain")
        raise self._refused(message)

    def _allowed(self, type_: TypeOf, value: Value, what: str) -> Unknown | None:
        if type_.allowed is None:
            return None
        allowed = self._evaluator.value(type_.allowed, Env(self._frame))
        if not isinstance(allowed, list):
            return allowed if isinstance(allowed, Unknown) else None
        items = value if isinstance(value, list) and not any(isinstance(one, list) for one in allowed) else [value]
        try:
            values = Found(allowed)
            strange = [item for item in items if not values.has(item)]
        except NotCertain as doubt:
            return doubt.unknown
        for item in strange[:1]:
            return self._not_allowed(item, allowed, what)
        return None

    def _not_allowed(self, item: Value, allowed: list[Value], what: str) -> Unknown:
        if isinstance(item, str) and any(isinstance(one, str) and same_key(one, item) for one in allowed):
            return self._unknown(
                f"{what} is an allowed value in another letter case; whether Azure takes it is unknown"
            )
        shown = repr(item[:60]) if isinstance(item, str) else kind(item) if isinstance(item, list | dict) else str(item)
        raise self._refused(f"{what} is {shown}, which is none of its allowed values")

    def _limits(self, type_: TypeOf, value: Value, what: str) -> None:
        if is_int(value):
            if type_.least is not None and value < type_.least:
                raise self._refused(f"{what} is {value}, below its least value {type_.least}")
            if type_.most is not None and value > type_.most:
                raise self._refused(f"{what} is {value}, above its greatest value {type_.most}")
        if isinstance(value, str | list):
            size = units.length(value) if isinstance(value, str) else len(value)
            if type_.shortest is not None and size < type_.shortest:
                raise self._refused(f"{what} has a length of {size}, below its least length {type_.shortest}")
            if type_.longest is not None and size > type_.longest:
                raise self._refused(f"{what} has a length of {size}, above its greatest length {type_.longest}")

    def _inside(self, type_: TypeOf, value: Value, what: str, depth: int) -> Value:
        """Check the items of a list and the properties of an object."""
        if isinstance(value, list) and (type_.items is not None or type_.tuple):
            each = type_.tuple or []
            for number, item in enumerate(value):
                of_item = each[number] if number < len(each) else type_.items
                if of_item is None:
                    continue
                if (doubt := self._inner(of_item, item, f"item {number} of {what}", depth)) is not None:
                    return doubt
        if isinstance(value, dict) and type_.variants:
            return self._tagged(type_, value, what, depth)
        if isinstance(value, dict) and (type_.properties or type_.sealed or type_.additional):
            return self._properties(type_, value, what, depth) or value
        return value

    def _tagged(self, type_: TypeOf, value: dict[str, Value], what: str, depth: int) -> Value:
        key = find_key(value, type_.tag)
        tag = None if key is None else value[key]
        if isinstance(tag, Unknown):
            return value
        variant = type_.variants.get(tag) if isinstance(tag, str) else None
        if variant is None:
            return self._unknown(f"{type_.tag!r} of {what} names none of the objects that it may be")
        return self.value(variant, value, what, depth + 1)

    def _inner(self, type_: TypeOf, value: Value, what: str, depth: int) -> Unknown | None:
        self._evaluator.spend(1)
        if isinstance(value, Unknown) or (value is None and not type_.nullable):
            return None
        found = self.value(type_, value, what, depth + 1)
        return found if isinstance(found, Unknown) else None

    def _properties(self, type_: TypeOf, value: dict[str, Value], what: str, depth: int) -> Unknown | None:
        for name in type_.required:
            if find_key(value, name) is None:
                raise self._refused(f"{what} lacks its property {name!r}")
        for key, one in value.items():
            named = type_.properties.get(key)
            of_key = type_.additional if named is None else named
            if of_key is None and type_.sealed and not any(same_key(key, one) for one in type_.properties):
                return self._unknown(f"{what} has the property {key[:60]!r}, which its type does not have")
            if of_key is not None and (doubt := self._inner(of_key, one, f"{key!r} of {what}", depth)) is not None:
                return doubt
        return None
