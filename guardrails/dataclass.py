"""`dataclass` as the standard library has it, but a class compiles a method late: when it is first called, or often.

The standard library compiles six methods of each class at import, and imports `inspect`. That was 40 % of the time of
`exg judge`, which has a hundred such classes and calls few of these methods. Type checkers see the standard library's,
and its functions (`fields`, `replace`, `asdict`, ...) take these classes. What nobody here uses is left out: ClassVar,
InitVar, order, unsafe_hash, weakref_slot.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType, MemberDescriptorType, MethodType
from typing import TYPE_CHECKING, Any, Final, NoReturn

_FIELDS: Final = "__dataclass_fields__"
_MISSING: Final = object()
_UNCOMPILED: Final = 8
"""Calls of a class before its `__init__` is compiled: in `exg judge` two thirds of the classes have fewer."""


class _Field:
    """A field, with the attributes of the standard library's."""

    def __init__(
        self,
        *,
        default: Any = _MISSING,
        default_factory: Any = _MISSING,
        init: bool = True,
        repr: bool = True,  # noqa: A002 - these are the standard library's names
        hash: bool | None = None,  # noqa: A002
        compare: bool = True,
        metadata: Mapping[str, Any] = MappingProxyType({}),
        kw_only: bool = False,
    ) -> None:
        self.default, self.default_factory, self.metadata = default, default_factory, metadata
        self.init, self.repr, self.compare, self.kw_only = init, repr, compare, kw_only
        self.hash = compare if hash is None else hash
        self.name, self.type = "", _MISSING

    @property
    def _field_type(self) -> object:
        """What the standard library knows a field by."""
        import dataclasses  # noqa: PLC0415 - only that asks, so it is imported

        return vars(dataclasses)["_FIELD"]


def _fields(one: Any) -> tuple[_Field, ...]:
    """Return the fields of a dataclass, or of an object of one, in their order."""
    return tuple(getattr(one, _FIELDS).values())


def _replace(one: Any, /, **changes: Any) -> Any:
    """Return a copy with some fields changed. A class may copy itself in a cheaper way: see Row.__replace__."""
    return one.__replace__(**changes)


def _made_anew(one: Any, /, **changes: Any) -> Any:
    for field in _fields(one):
        if field.init:
            changes.setdefault(field.name, getattr(one, field.name))
        elif field.name in changes:
            raise TypeError(f"{field.name} is not a parameter of {type(one).__qualname__}")
    return type(one)(**changes)


def _dataclass(
    cls: type | None = None,
    /,
    *,
    frozen: bool = False,
    slots: bool = False,
    eq: bool = True,
    repr: bool = True,  # noqa: A002
) -> Any:
    """Make a class a dataclass."""
    if cls is None:
        return lambda cls: _dataclass(cls, frozen=frozen, slots=slots, eq=eq, repr=repr)
    own = dict(_declared(cls))
    fields = {name: one for base in reversed(cls.__mro__) for name, one in vars(base).get(_FIELDS, {}).items()} | own
    positional = tuple(name for name, one in fields.items() if one.init and not one.kw_only)
    made: dict[str, Any] = {_FIELDS: fields, "__match_args__": positional}
    made |= {"__init__": _Init(), "__replace__": _made_anew}
    if repr:
        made["__repr__"] = _repr
    if eq:
        made |= {"__eq__": _Later(_eq), "__hash__": _Later(_hash) if frozen else None}
    if frozen:
        made |= {"__setattr__": _refuse, "__delattr__": _refuse, "__getstate__": _state, "__setstate__": _restore}
    said = vars(cls)  # what it has of its own stays; one with __eq__ and without __hash__ has None there
    made = {name: value for name, value in made.items() if said.get(name) is None}
    return _with_slots(cls, own, made) if slots else _with_defaults(cls, own, made)


def _declared(cls: type) -> Iterator[tuple[str, _Field]]:
    """Yield the fields that a class itself declares, by name."""
    for name, kind in vars(cls).get("__annotations__", {}).items():
        said = vars(cls).get(name, _MISSING)
        field = said if isinstance(said, _Field) else _Field(default=said)
        if type(field.default).__hash__ is None:
            raise ValueError(f"{cls.__qualname__}.{name} has a default that may change: use default_factory")
        field.name, field.type = name, kind
        yield name, field


def _with_slots(cls: type, own: Mapping[str, _Field], made: dict[str, Any]) -> type:
    """Return a class anew, with slots for its own fields, and with what is made."""
    taken = {slot for base in cls.__mro__[1:] for slot in vars(base).get("__slots__", ())}
    left_out = {*own, "__dict__", "__weakref__"}
    content = {name: value for name, value in vars(cls).items() if name not in left_out} | made
    content |= {"__slots__": tuple(name for name in own if name not in taken), "__qualname__": cls.__qualname__}
    return type(cls)(cls.__name__, cls.__bases__, content)


def _with_defaults(cls: type, own: Mapping[str, _Field], made: dict[str, Any]) -> type:
    """Return a class with the defaults of its own fields as attributes, and with what is made."""
    for name, field in own.items():
        if field.default is not _MISSING:
            setattr(cls, name, field.default)
        elif name in vars(cls):
            delattr(cls, name)
    for name, value in made.items():
        setattr(cls, name, value)
        if isinstance(value, _Later):
            value.__set_name__(cls, name)
    return cls


class _Later:
    """A method that is made when it is first looked up, and is then in the class in place of this."""

    __slots__ = ("_cls", "_make")

    def __init__(self, make: Callable[[type], Any]) -> None:
        self._make = make

    def __set_name__(self, cls: type, name: str) -> None:
        self._cls = cls

    def __get__(self, instance: object, owner: type) -> Any:
        method = self._make(self._cls)
        method.__qualname__ = f"{self._cls.__qualname__}.{method.__name__}"
        method.__module__ = self._cls.__module__
        setattr(self._cls, method.__name__, method)
        return method if instance is None else method.__get__(instance, owner)


class _Init(_Later):
    """`__init__`. Its first calls set the fields one by one: compiling it takes as long as twenty of these."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        super().__init__(_init)
        self._left = _UNCOMPILED

    def __get__(self, instance: object, owner: type) -> Any:
        if instance is None or not self._left:
            return super().__get__(instance, owner)
        self._left -= 1
        return MethodType(self._call, instance)

    def _call(self, instance: Any, /, *args: Any, **kwargs: Any) -> None:
        values = _values(self._cls, args, kwargs)
        if values is None:
            super().__get__(instance, type(instance))(*args, **kwargs)  # it says what is wrong
            return
        put = object.__setattr__ if vars(self._cls).get("__setattr__") is _refuse else setattr
        for name, value in values.items():
            put(instance, name, value)
        if hasattr(self._cls, "__post_init__"):
            instance.__post_init__()


def _values(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | None:
    """Return the values of the fields, in their order, as `__init__` sets them; None where it would raise."""
    values, given, at = dict[str, Any](), dict(kwargs), 0
    for name, one in getattr(cls, _FIELDS).items():
        if one.init and not one.kw_only and at < len(args):
            values[name] = args[at]
            at += 1
        elif one.init and name in given:
            values[name] = given.pop(name)
        elif one.default_factory is not _MISSING:
            values[name] = one.default_factory()
        elif one.init:
            if one.default is _MISSING:
                return None
            values[name] = one.default
    return None if given or at < len(args) else values


def _compiled(name: str, parameters: str, lines: list[str], names: Mapping[str, Any]) -> Any:
    """Return a function. `names`: the objects that its lines name."""
    made: dict[str, Any] = dict(names)
    exec(f"def {name}(self, {parameters}):\n" + "\n".join(f" {line}" for line in lines), made)  # noqa: S102 - ours
    return made[name]


def _init(cls: type) -> Any:
    """Make `__init__`: it takes the fields in their order, those that are `kw_only` last."""
    parameters, keyword, lines, names = list[str](), list[str](), list[str](), dict[str, Any]()
    for one in _fields(cls):
        value = one.name
        if one.default_factory is not _MISSING:
            names |= {"_MISSING": _MISSING, f"_make_{one.name}": one.default_factory}
            value = f"_make_{one.name}()" + (f" if {one.name} is _MISSING else {one.name}" if one.init else "")
        if one.init:
            (keyword if one.kw_only else parameters).append(one.name + _default(one, names))
        elif one.default_factory is _MISSING:
            continue
        lines.append(_setting(cls, one.name, value, names))
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    made = _compiled(
        "__init__", ", ".join([*parameters, *(["*", *keyword] if keyword else ())]), lines or ["pass"], names
    )
    made.__annotations__ = {one.name: one.type for one in _fields(cls) if one.init} | {"return": None}
    return made


def _default(one: _Field, names: dict[str, Any]) -> str:
    """Return the default of a parameter, as Python; what it names is put into `names`."""
    if one.default_factory is not _MISSING:
        return "=_MISSING"
    if one.default is _MISSING:
        return ""
    names[f"_default_{one.name}"] = one.default
    return f"=_default_{one.name}"


def _setting(cls: type, name: str, value: str, names: dict[str, Any]) -> str:
    """Return the line that sets a field. A slot's own setter is quicker than `object.__setattr__`."""
    if vars(cls).get("__setattr__") is not _refuse:
        return f"self.{name} = {value}"
    slot = getattr(cls, name, None)
    if isinstance(slot, MemberDescriptorType):
        names[f"_set_{name}"] = slot.__set__
        return f"_set_{name}(self, {value})"
    names["_set"] = object.__setattr__
    return f"_set(self, {name!r}, {value})"


def _eq(cls: type) -> Any:
    same = " and ".join(f"self.{one.name} == other.{one.name}" for one in _fields(cls) if one.compare)
    line = f"return ({same or True}) if other.__class__ is self.__class__ else NotImplemented"
    return _compiled("__eq__", "other", [line], {})


def _hash(cls: type) -> Any:
    values = "".join(f"self.{one.name}, " for one in _fields(cls) if one.hash)
    return _compiled("__hash__", "", [f"return hash(({values}))"], {})


def _repr(self: Any) -> str:
    said = ", ".join(f"{one.name}={getattr(self, one.name)!r}" for one in _fields(self) if one.repr)
    return f"{type(self).__qualname__}({said})"


def _refuse(self: object, name: str, value: object = None) -> NoReturn:  # noqa: ARG001
    from dataclasses import FrozenInstanceError  # noqa: PLC0415 - nothing does this

    raise FrozenInstanceError(f"cannot assign to or delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, one.name) for one in _fields(self)]


def _restore(self: Any, state: list[Any]) -> None:
    for one, value in zip(_fields(self), state, strict=True):
        object.__setattr__(self, one.name, value)


if TYPE_CHECKING:
    from dataclasses import MISSING, dataclass, field, fields, replace
else:
    MISSING, dataclass, field, fields, replace = _MISSING, _dataclass, _Field, _fields, _replace

__all__ = ["MISSING", "dataclass", "field", "fields", "replace"]
