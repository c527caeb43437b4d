"""Regular expressions that are compiled when they are first used."""

import pkgutil
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import pytest

import guardrails
from guardrails.lazy_regex import _LazyRegex, lazy_regex


def test_it_is_compiled_when_it_is_first_used(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    real = re.compile

    def recorded(text: str, flags: int = 0) -> re.Pattern[str]:
        compiled.append(text)
        return real(text, flags)

    monkeypatch.setattr(re, "compile", recorded)
    word = lazy_regex(r"(\w+)", re.ASCII)
    assert not compiled
    found = word.fullmatch("one")
    assert found
    assert (found[1], word.sub("x", "a b"), word.fullmatch("é"), word.pattern) == ("one", "x x", None, r"(\w+)")
    assert word.fullmatch("two")
    assert set(compiled) == {r"(\w+)"}


def every() -> Iterator[tuple[str, _LazyRegex]]:
    """All of the product, by module."""
    for one in pkgutil.walk_packages(guardrails.__path__, "guardrails."):
        if one.name != "guardrails.__main__":
            for value in vars(import_module(one.name)).values():
                some: Any = value.values() if isinstance(value, Mapping) else [value]
                yield from ((one.name, each) for each in some if isinstance(each, _LazyRegex))


def test_every_expression_of_the_product_compiles() -> None:
    found = [(module, each) for module, each in every()]
    for module, each in found:
        assert each.pattern, module
    assert len(found) >= 150
