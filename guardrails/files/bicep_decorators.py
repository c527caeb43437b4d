"""Decorators of a Bicep file: what each may stand on, as far as the compiler refuses it otherwise. Pure."""

from collections.abc import Callable
from typing import Final

from guardrails.evaluation.expressions import Array, Literal
from guardrails.evaluation.values import Place
from guardrails.files.bicep_syntax import (
    Block,
    Declaration,
    Decorator,
    Func,
    Import,
    Other,
    Out,
    Param,
    Type,
    TypeName,
    Var,
)

_VALUES: Final = (Param, Out, Type)
_ANY: Final = (Param, Out, Type, Var, Func, Block, Import, Other)
_TARGETS: Final[dict[str, tuple[tuple[type[Declaration], ...], int, int]]] = {
    "description": (_ANY, 1, 1),
    "secure": (_VALUES, 0, 0),
    "allowed": ((Param,), 1, 1),
    "minValue": (_VALUES, 1, 1),
    "maxValue": (_VALUES, 1, 1),
    "minLength": (_VALUES, 1, 1),
    "maxLength": (_VALUES, 1, 1),
    "metadata": (_VALUES, 1, 1),
    "sealed": (_VALUES, 0, 0),
    "discriminator": (_VALUES, 1, 1),
    "validate": (_VALUES, 1, 2),
    "export": ((Type, Var, Func), 0, 0),
    "batchSize": ((Block,), 1, 1),
    "onlyIfNotExists": ((Block,), 0, 0),
    "nullIfNotFound": ((Block,), 0, 0),
    "waitUntil": ((Block,), 2, 2),
    "retryOn": ((Block,), 1, 2),
    "patch": ((Block,), 0, 0),
}
"""The decorators of the language: on what each may stand, and the least and most arguments."""
_RULES: Final[dict[type[Declaration], str]] = {
    Param: "BCP125", Var: "BCP126", Block: "BCP127", Out: "BCP129", Type: "BCP297", Func: "BCP152",
}  # fmt: skip
_EXPERIMENTAL: Final = frozenset({"validate", "waitUntil", "patch"})
"""Decorators that an experimental feature brings."""
_RESOURCES_ONLY: Final = frozenset({"onlyIfNotExists", "nullIfNotFound", "waitUntil", "retryOn", "patch"})


def check_decorators(
    one: Declaration, fault: Callable[[Place, str, str], object], *, experimental: bool = True
) -> None:
    """Note the decorators of a declaration that the compiler refuses."""
    seen: set[str] = set()
    for decorator in one.decorators:
        name, place = decorator.name, decorator.place
        if "." in name and not name.startswith("az."):
            continue
        name = name.removeprefix("az.")
        known = _TARGETS.get(name)
        if known is None or (name in _EXPERIMENTAL and not experimental):
            fault(place, f"there is no decorator {name}", "BCP057")
            continue
        targets, least, most = known
        if name in seen:
            fault(place, f"the decorator {name} is here twice", "BCP166")
        seen.add(name)
        if not isinstance(one, targets):
            fault(place, f"the decorator {name} may not stand here", _RULES.get(type(one), "BCP130"))
        elif not least <= len(decorator.arguments) <= most:
            fault(place, f"@{name}() does not have {len(decorator.arguments)} arguments", "BCP071")
        elif isinstance(one, Block):
            _on_block(one, decorator, fault)


def check_member_decorators(decorators: list[Decorator], fault: Callable[[Place, str, str], object]) -> None:
    """Note the decorators of a property of a type that the compiler refuses.

    It takes `@sys.allowed()` there, and makes nothing of it; `@allowed()` it refuses.
    """
    for decorator in decorators:
        if decorator.name == "export":
            fault(decorator.place, "a property is not exported by itself", "BCP361")
    checked = [one for one in decorators if one.bare or one.name != "allowed"]
    check_decorators(Type("", checked, decorators[0].place, TypeName(["any"], decorators[0].place)), fault)


def _on_block(one: Block, decorator: Decorator, fault: Callable[[Place, str, str], object]) -> None:
    name, place = decorator.name, decorator.place
    if name in _RESOURCES_ONLY and one.keyword == "module":
        fault(place, f"the decorator {name} may not stand on a module", "BCP128")
    elif name == "batchSize" and one.loop is None:
        fault(place, "@batchSize() is for a loop of resources or modules", "BCP155")
    elif name == "batchSize":
        size = decorator.arguments[0]
        if isinstance(size, Literal) and isinstance(size.value, int) and size.value < 1:
            fault(place, "a batch has at least 1 member", "BCP154")
    elif name == "retryOn":
        _retry(decorator, fault)
    elif name == "nullIfNotFound" and not one.existing:
        fault(place, "@nullIfNotFound() is for an existing resource", "BCP445")


def _retry(decorator: Decorator, fault: Callable[[Place, str, str], object]) -> None:
    codes, count = decorator.arguments[0], decorator.arguments[1] if len(decorator.arguments) > 1 else None
    items = codes.items if isinstance(codes, Array) else []
    if any(isinstance(item, Literal) and not isinstance(item.value, str) for item in items):
        fault(codes.place, "@retryOn() needs the codes as texts", "BCP033")
    value = count.value if isinstance(count, Literal) else 1
    if not isinstance(value, int):
        fault(decorator.place, "@retryOn() needs a number of times", "BCP070")
    elif value < 1:
        fault(decorator.place, "@retryOn() repeats at least 1 time", "BCP328")
