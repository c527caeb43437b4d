"""Values as texts: `string`, `format`, and what `concat`, `join` and interpolation make of a value. Pure."""

import json
import re
from functools import lru_cache
from typing import Final

from guardrails.evaluation.functions import units
from guardrails.evaluation.functions.base import LONGEST_TEXT, MANY, TOO_LONG, function, is_int, kind, text, unsure
from guardrails.evaluation.values import EngineError, Loose, Unknown, Value
from guardrails.lazy_regex import lazy_regex

_HOLE: Final = lazy_regex(r"\{\{|\}\}|\{([0-9]{1,6})(?: *, *(-?[0-9]{1,6}))? *(?::([^{}]*))?\}|[{}]")
_STANDARD: Final = lazy_regex(r"([A-Za-z])([0-9]{0,9})")
_CUSTOM: Final = lazy_regex(r"(#|0)(?:[#0]|,(?=[#0]))*(?:\.(0*))?|0")
_ESCAPED: Final = {"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def plain(value: Value) -> str:
    """Return a text, an integer or a boolean as a text."""
    if isinstance(value, bool):
        return "True" if value else "False"
    return str(value)


@function("string", 1)
def _string(arguments: list[Value]) -> Value:
    value = arguments[0]
    if value is None or isinstance(value, float):
        raise EngineError(f"string() of {kind(value)} is refused")
    return as_json(value) if isinstance(value, list | dict) else plain(value)


def as_json(value: Value) -> Value:
    """Return an object or array as Newtonsoft's serialiser writes it, without blanks."""
    if not _is_writable(value):
        return unsure("such a value as a text")
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character, escape in _ESCAPED.items():
        written = written.replace(character, escape)
    return written if len(written) <= LONGEST_TEXT else TOO_LONG


def _is_writable(value: Value) -> bool:
    """Whether this value's text is known: decimals with an exponent and objects of unknown order have none."""
    if isinstance(value, float):
        return "e" not in repr(value) and abs(value) < 1e15  # beyond it .NET writes an exponent
    if isinstance(value, list):
        return all(map(_is_writable, value))
    return not isinstance(value, Loose) and all(map(_is_writable, value.values())) if isinstance(value, dict) else True


@function("format", 1, MANY)
def _format(arguments: list[Value]) -> Value:
    return composite(text(arguments[0], "format"), arguments[1:])


def composite(pattern: str, values: list[Value]) -> Value:
    """Fill a pattern as .NET's composite formatting does. Raises EngineError for an invalid pattern."""
    parts: list[str] = []
    for text_, number, width, specifier in _holes(pattern):
        parts.append(text_)
        if number is None:
            continue
        if number >= len(values):
            raise EngineError(f"format() was given no value for {{{number}}}")
        filled = formatted(values[number], specifier)
        if isinstance(filled, Unknown):
            return filled
        parts.append(_padded(filled, width) if width else filled)
    whole = "".join(parts)
    return whole if len(whole) <= LONGEST_TEXT else TOO_LONG


@lru_cache(256)
def _holes(pattern: str) -> tuple[tuple[str, int | None, int, str], ...]:
    """Return a pattern's texts, each with the hole behind it: number, width and specifier; None for no hole.

    Raises EngineError for an invalid pattern.
    """
    holes: list[tuple[str, int | None, int, str]] = []
    end = 0
    for found in _HOLE.finditer(pattern):
        text_ = pattern[end : found.start()]
        end = found.end()
        if found[0] in ("{{", "}}"):
            holes.append((text_ + found[0][0], None, 0, ""))
        elif found[1] is None:
            raise EngineError("format() was given a pattern with a brace that is not closed or has no number")
        else:
            holes.append((text_, int(found[1]), int(found[2] or 0), found[3] or ""))
    return (*holes, (pattern[end:], None, 0, ""))


def _padded(filled: str, width: int) -> str:
    missing = " " * (abs(width) - units.length(filled))
    return missing + filled if width > 0 else filled + missing


def formatted(value: Value, specifier: str) -> str | Unknown:
    """Return a value as `{0:specifier}` shows it."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list | dict):
        return _quoted(value)
    if isinstance(value, float):
        return unsure("a decimal as a text")
    if not is_int(value) or not specifier:
        return plain(value)
    if found := _STANDARD.fullmatch(specifier):
        return _standard(int(value), found[1], int(found[2]) if found[2] else None)
    return _custom(int(value), specifier)


def _quoted(value: Value) -> str | Unknown:
    """Return an object or array as `format` shows it: JSON with single quotes."""
    written = as_json(value)
    if isinstance(written, Unknown):
        return written
    simple = not re.search(r"['\\]", str(written))  # what is escaped, and how, is not known for certain
    return str(written).replace('"', "'") if simple else unsure("such a value in format()")


def _standard(number: int, character: str, digits: int | None) -> str | Unknown:
    """Return a number in one of .NET's standard formats, in the invariant culture."""
    small = character.lower()
    if digits is not None and digits > 99:
        return unsure("a number with so many digits")
    if small == "d":
        return f"{'-' if number < 0 else ''}{abs(number):0{digits or 1}d}"
    if small in "nf":
        return (
            f"{number:{',' if small == 'n' else ''}.{2 if digits is None else digits}f}" if _exact(number) else _big()
        )
    if small == "p":
        return f"{number * 100:,.{2 if digits is None else digits}f} %" if _exact(number * 100) else _big()
    if small == "c" and number >= 0:
        return f"¤{number:,.{2 if digits is None else digits}f}" if _exact(number) else _big()
    if small in "xb" and number >= 0:
        kind_ = character if small == "x" else "b"
        return f"{number:0{digits or 1}{kind_}}"
    if small == "e":
        return _exponential(number, character, 6 if digits is None else digits)
    if small == "g" and digits is None:
        return str(number)
    if small in "cxbgr":
        return unsure(f"the number format {character}")
    raise EngineError(f"format() does not know the number format {character}")


def _exact(number: int) -> bool:
    return abs(number) < 2**53


def _big() -> Unknown:
    return unsure("so big a number in this format")


def _exponential(number: int, character: str, digits: int) -> str:
    from decimal import ROUND_HALF_UP, Decimal  # noqa: PLC0415  a format that nearly nobody uses

    shifted = abs(number)
    exponent = len(str(shifted)) - 1
    rounded = (Decimal(shifted) / Decimal(10) ** exponent).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    if rounded >= 10:
        rounded, exponent = (rounded / 10).quantize(Decimal(1).scaleb(-digits)), exponent + 1
    return f"{'-' if number < 0 else ''}{rounded}{character}+{exponent:03d}"


def _custom(number: int, pattern: str) -> str | Unknown:
    """Return a number in a custom format of `0`, `#`, `,` and `.` alone."""
    found = _CUSTOM.fullmatch(pattern)
    if not found or number < 0 or not _exact(number):
        return unsure("this number format")
    whole, _, decimals = pattern.partition(".")
    least = len(whole.replace(",", "")[whole.replace(",", "").find("0") :]) if "0" in whole else 0
    digits = f"{number:0{least}d}" if number or least else ""
    if "," in whole:
        groups = [digits[max(0, end - 3) : end] for end in range(len(digits), 0, -3)]
        digits = ",".join(reversed(groups))
    return digits + ("." + decimals if decimals else "")
