"""Functions of texts in other forms: base64, addresses, JSON. Pure."""

import base64
import re
import urllib.parse
from typing import Final

from guardrails.evaluation.functions.base import function, kind, text, unsure
from guardrails.evaluation.functions.characters import BLANKS
from guardrails.evaluation.functions.json_text import parse
from guardrails.evaluation.values import EngineError, Unknown, Value
from guardrails.lazy_regex import lazy_regex

_DATA_URI: Final = lazy_regex(
    r"data:(?:text/plain;charset=utf-?8|application/json)?;base64,([A-Za-z0-9+/]*={0,2})", re.I
)
_BASE_URI: Final = lazy_regex(r"(https?)://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(/[A-Za-z0-9._~/-]*)?")
_RELATIVE_URI: Final = lazy_regex(
    r"(?:/|(?:\.{1,2}/)+)?(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]*/?)*(?:\?[A-Za-z0-9._~=&/-]*)?"
)


@function("base64", 1)
def _base64(arguments: list[Value]) -> Value:
    return base64.b64encode(text(arguments[0], "base64").encode()).decode()


def _decoded(encoded: str, name: str) -> str | Unknown:
    if any(blank in encoded for blank in BLANKS):
        return unsure(f"{name}() of a text with blanks")
    try:
        data = base64.b64decode(encoded, validate=True)
    except ValueError:
        raise EngineError(f"{name}() was given a text that is not base64") from None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return unsure(f"{name}() of bytes that are not UTF-8")


@function("base64ToString", 1)
def _base64_to_string(arguments: list[Value]) -> Value:
    return _decoded(text(arguments[0], "base64ToString"), "base64ToString")


@function("base64ToJson", 1)
def _base64_to_json(arguments: list[Value]) -> Value:
    found = _decoded(text(arguments[0], "base64ToJson"), "base64ToJson")
    return found if isinstance(found, Unknown) else parse(found, "base64ToJson")


@function("json", 1)
def _json(arguments: list[Value]) -> Value:
    return parse(text(arguments[0], "json"), "json")


@function("dataUri", 1)
def _data_uri(arguments: list[Value]) -> Value:
    if not isinstance(arguments[0], str):
        return unsure(f"dataUri() of {kind(arguments[0])}")
    return "data:text/plain;charset=utf-8;base64," + base64.b64encode(arguments[0].encode()).decode()


@function("dataUriToString", 1)
def _data_uri_to_string(arguments: list[Value]) -> Value:
    found = _DATA_URI.fullmatch(text(arguments[0], "dataUriToString"))
    return _decoded(found[1], "dataUriToString") if found else unsure("dataUriToString() of such a text")


@function("uriComponent", 1)
def _uri_component(arguments: list[Value]) -> Value:
    return urllib.parse.quote(text(arguments[0], "uriComponent"), safe="-_.~")


@function("uriComponentToString", 1)
def _uri_component_to_string(arguments: list[Value]) -> Value:
    given = text(arguments[0], "uriComponentToString")
    try:
        found = urllib.parse.unquote(given, errors="strict")
    except UnicodeDecodeError:
        return unsure("uriComponentToString() of bytes that are not UTF-8")
    return found if not re.search("%(?![0-9A-Fa-f]{2})", given) else unsure("uriComponentToString() of a lone %")


@function("uri", 2)
def _uri(arguments: list[Value]) -> Value:
    base, relative = text(arguments[0], "uri"), text(arguments[1], "uri")
    usual = _BASE_URI.fullmatch(base) and _RELATIVE_URI.fullmatch(relative) and relative and "/." not in base
    if not usual or relative.startswith("//") or "//" in base.partition("://")[2]:
        return unsure("uri() of such addresses")
    return urllib.parse.urljoin(base, relative)
