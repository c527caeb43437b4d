"""What a mutation is: a fix taken away from the product in this process, and put back afterwards."""

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import wraps
from pkgutil import resolve_name
from typing import Any
from unittest.mock import patch

type Patch = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True, slots=True)
class Mutation:
    """One fix, and how it is taken away.

    Attributes:
        name: kebab-case, unique.
        fix: what the product does, one sentence: what it does no more while the mutation is applied.
        test: the unit test of the fix, as pytest names it; it fails while the mutation is applied.
        patches: what is put in the place of what, by `instead` and `around`.
    """

    name: str
    fix: str
    test: str
    patches: tuple[Patch, ...]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Take the fix away within."""
        with ExitStack() as stack:
            stack.callback(_forget)
            for one in self.patches:
                stack.enter_context(one())
            _forget()
            yield


def _forget() -> None:
    """Forget what the product's functions gave before: what they call may be another now."""
    for module in [one for name, one in sys.modules.items() if name.startswith("guardrails.")]:
        for value in vars(module).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()


def mutation(name: str, fix: str, test: str, *patches: Patch) -> Mutation:
    """Return a mutation."""
    return Mutation(name, fix, test, patches)


def instead(target: str, new: Any) -> Patch:
    """Return the patch that puts `new` in the place of what has a dotted name, where it is used."""
    return lambda: patch(target, new)


def around(target: str, call: Callable[..., Any]) -> Patch:
    """Return the patch by which a function is called through `call(function, *its arguments)`."""

    def begin() -> AbstractContextManager[Any]:
        place, _, name = target.rpartition(".")
        found = inspect.getattr_static(resolve_name(place), name)
        old = found.__func__ if isinstance(found, classmethod | staticmethod) else found
        made = _through(old, call)
        if isinstance(found, classmethod | staticmethod):
            made = type(found)(made)
        return patch(target, made)

    return begin


def _through(old: Any, call: Callable[..., Any]) -> Any:
    """Return a function of the kind of `old`: of one that is awaited, one that is awaited."""
    if inspect.iscoroutinefunction(old):

        @wraps(old)
        async def waits(*args: Any, **more: Any) -> Any:
            found = call(old, *args, **more)
            return await found if inspect.isawaitable(found) else found

        return waits

    @wraps(old)
    def calls(*args: Any, **more: Any) -> Any:
        return call(old, *args, **more)

    return calls
