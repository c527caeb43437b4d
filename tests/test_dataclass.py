"""Our dataclass is the standard library's, but for when it compiles."""

import copy
import dataclasses
import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from guardrails import dataclass as ours

ROOT = Path(__file__).parents[1]
SETTINGS = [
    {"frozen": frozen, "slots": slots, "eq": eq, "repr": shown}
    for frozen in (False, True)
    for slots in (False, True)
    for eq in (False, True)
    for shown in (False, True)
]


def family(make: Any, field: Callable[..., Any], said: dict[str, bool]) -> tuple[type[Any], type[Any]]:
    """A class and one that inherits from it, with a field of every sort."""

    @make(**said)
    class Base:
        """A base."""

        first: int
        second: str = "b"

        def doubled(self) -> int:
            return 2 * self.first

    @make(**said)
    class Derived(Base):
        """More fields, and another default for one of the base's."""

        second: str = "c"
        some: list[int] = field(default_factory=list, hash=False)
        secret: str = field(default="s", repr=False)
        aside: int = field(default=0, compare=False)
        made: int = field(init=False)
        counted: list[int] = field(init=False, default_factory=lambda: [1])
        last: int = field(default=9, kw_only=True, metadata={"doc": "x"})

        def __post_init__(self) -> None:
            object.__setattr__(self, "made", self.first + 1)

    return Base, Derived


def answer(work: Callable[[], Any]) -> Any:
    """What comes of it: the value, or the kind of error."""
    try:
        return work()
    except (TypeError, AttributeError) as error:
        return type(error)


def has_the_hash_of_its_copy(each: object) -> bool:
    return hash(each) == hash(copy.copy(each))


def behaviour(base: Any, derived: Any) -> Iterator[Any]:
    """All that can be seen of two classes, but for their names."""
    one, other = derived(1), derived(2, "z", [3], "t", 4, last=5)
    every = [one, derived(1), other, derived(1, aside=7), base(1), base(1, "q")]
    for each in every:
        yield [answer(partial(each.__eq__, another)) for another in every]
        yield answer(partial(has_the_hash_of_its_copy, each))
        yield repr(each).partition("(")[2] if base.__repr__ is not object.__repr__ else ""
        yield dataclasses.asdict(each)
        for copied in (dataclasses.replace(each, first=8), copy.replace(each, first=8), copy.deepcopy(each)):
            yield type(copied) is type(each), dataclasses.astuple(copied)
        yield answer(partial(vars, each))
    for change in (partial(setattr, derived(1), "second", 3), partial(delattr, derived(1), "first")):
        yield answer(change)
    yield [answer(partial(copy.replace, one, **{name: 3})) for name in ("made", "none_of_it")]
    yield [answer(derived), answer(lambda: derived(1, "b", [], "s", 0, 9)), one.some is derived(1).some]
    yield [answer(lambda: derived(1, first=1)), answer(lambda: derived(1, x=1)), answer(lambda: derived(1, made=1))]
    for kind in (base, derived):
        yield [(one.name, one.type, one.init, one.metadata) for one in dataclasses.fields(kind)]
        yield kind.__match_args__, kind.__init__.__annotations__, kind.__doc__, kind.__hash__ is None
        yield vars(kind).get("__slots__"), inspect.signature(kind).parameters.keys()
    yield dataclasses.is_dataclass(base), issubclass(derived, base), other.doubled(), other.made, other.counted


@pytest.mark.parametrize("uncompiled", [0, 2, 1000])
@pytest.mark.parametrize("said", SETTINGS, ids=lambda said: " ".join(name for name, on in said.items() if on) or "none")
def test_a_class_is_what_the_standard_library_would_make(
    said: dict[str, bool], uncompiled: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ours, "_UNCOMPILED", uncompiled)
    theirs = behaviour(*family(dataclasses.dataclass, dataclasses.field, said))
    assert [*behaviour(*family(ours.dataclass, ours.field, said))] == [*theirs]


def test_our_functions_do_what_theirs_do() -> None:
    base, derived = family(ours.dataclass, ours.field, {"frozen": True, "slots": True})
    assert ours.fields(derived) == dataclasses.fields(derived)
    assert ours.replace(derived(1), last=2) == dataclasses.replace(derived(1), last=2)
    assert [one.default is ours.MISSING for one in ours.fields(base)] == [True, False]


def test_what_a_class_has_of_its_own_stays() -> None:
    @ours.dataclass(frozen=True)
    class Own:  # noqa: PLW1641 - it is made
        value: int

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Own)

        def __repr__(self) -> str:
            return "own"

    assert (Own(1) == Own(2), repr(Own(1)), hash(Own(1)) == hash((1,))) == (True, "own", True)


def test_a_default_that_may_change_is_refused() -> None:
    with pytest.raises(ValueError, match="some has a default that may change: use default_factory"):

        @ours.dataclass
        class Shared:
            some: list[int] = []  # noqa: RUF012


def test_a_method_is_compiled_when_it_is_first_called() -> None:
    base, _ = family(ours.dataclass, ours.field, {"frozen": True, "slots": True})
    assert compiled(base) == []
    assert {base(1), base(1)} == {base(1)}
    assert compiled(base) == ["__eq__", "__hash__"]


def test_init_is_compiled_once_it_is_called_often_or_has_to_say_what_is_wrong() -> None:
    often, wrong = (family(ours.dataclass, ours.field, {"frozen": True, "slots": True})[0] for _ in range(2))
    for _ in range(9):
        assert compiled(often) == []
        often(1)
    assert compiled(often) == ["__init__"]
    with pytest.raises(TypeError, match=r"Base.__init__\(\) missing 1 required positional argument: 'first'"):
        wrong()
    assert compiled(wrong) == ["__init__"]


def compiled(cls: type) -> list[str]:
    """The methods of a class that are compiled."""
    return [name for name in ("__init__", "__eq__", "__hash__") if isinstance(vars(cls)[name], FunctionType)]


def test_it_does_not_import_what_is_slow() -> None:
    code = "import sys; from guardrails.dataclass import dataclass; print({'dataclasses', 'inspect'} & {*sys.modules})"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    assert ran.stdout == "set()\n"
