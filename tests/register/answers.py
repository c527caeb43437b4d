"""What may come back in place of storage's answer, and a store on loopback that says what a test sets.

async with speaking(script) as connection    # each request is answered by `script(what)`, the bytes of an answer
"""

import base64
import gzip
import json
import re
from asyncio import IncompleteReadError, StreamReader, StreamWriter, start_server
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

OK: Final[Mapping[str, int]] = {
    "get_entity": 200, "query_entities": 200, "submit_transaction": 202, "create_table": 201, "send_message": 201,
    "create_queue": 201, "peek_messages": 200,
}  # fmt: skip
"""The status of a good answer, by the name of the SDK's method."""

_REFUSALS: Final = (400, 401, 403, 404, 405, 407, 409, 411, 412, 413, 451, 501, 511)
"""Statuses that a proxy, a firewall or a portal gives, without an error code of storage."""

_JSON: Final = "application/json"
_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def http(status: int, body: bytes = b"", kind: str = _JSON, more: str = "", length: int = -1) -> bytes:
    """Return an answer; `length`: what it says its body has, where that is not so; `more`: header lines."""
    length = len(body) if length < 0 else length
    return f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{more}\r\n".encode() + body


def _broken(ok: int) -> dict[str, bytes]:
    """Return what is no answer of HTTP, or none that can be read."""
    squeezed = "Content-Encoding: gzip\r\n"
    whole = b'{"value": []}' * 50
    return {
        "nothing": b"", "a malformed status line": b"HTTP/1.1 nonsense OK\r\n\r\n", "no HTTP": b"SSH-2.0-x\r\n\r\n",
        "cut in its body": http(ok, b'{"val', length=500), "cut in its head": b"HTTP/1.1 200 OK\r\nContent-Ty",
        "cut in a chunk": http(ok).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"zz\r\n",
        "no gzip": http(ok, b"nonsense", more=squeezed), "JSON that should be gzip": http(ok, whole, more=squeezed),
        "gzip that is cut": http(ok, gzip.compress(whole)[:24], more=squeezed, length=500),
        "a refusal that is cut": http(400, b'{"odata.error', length=500),
        "a refusal that is no gzip": http(404, b"nonsense", more=squeezed),
    }  # fmt: skip


def _foreign(ok: int) -> dict[str, bytes]:
    """Return answers of somebody else: a proxy, a portal that wants a login, another service."""
    parts = "multipart/mixed; boundary=b"
    inner = b"--b\r\nContent-Type: application/http\r\n\r\n%s\r\n--b--\r\n"
    page = b"<html><p>Log in<br></html>"
    texts = (b"", b"{}", b"[]", b"null", b"1", b'"text"', b'{"value": {}}', b'{"value": [1]}', b'{"value": [{}]}')
    return {
        **{f"JSON {text.decode()!r}": http(ok, text) for text in texts},
        "another row": http(ok, b'{"PartitionKey": "x", "RowKey": "y", "odata.etag": "1"}'),
        "JSON that is cut": http(ok, b'{"value": ['), "JSON that is deep": http(ok, b"[" * 200_000),
        "no UTF-8": http(ok, b'{"value": "\xff\xfe"}'), "a page": http(ok, page, "text/html"),
        "a page as JSON": http(ok, page), "text": http(ok, b"hello", "text/plain"),
        "XML": http(ok, b"<?xml version='1.0'?><a><b/></a>", "application/xml"),
        "XML that is cut": http(ok, b"<a><b", "application/xml"), "nothing at all": b"HTTP/1.1 200 OK\r\n\r\n",
        "JSON as multipart": http(ok, b"{}", parts), "multipart of nothing": http(ok, b"--b--\r\n", parts),
        "an empty multipart": http(ok, b"", parts), "multipart without a boundary": http(ok, b"{}", "multipart/mixed"),
        "a multipart that is cut": http(ok, b"--b\r\nContent-Type: application/http\r\n", parts),
        "a part that is no HTTP": http(ok, inner % b"nonsense", parts),
        "a part that is text": http(ok, b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n", parts),
        "more parts than any transaction has": done(["1"] * 101),
        "another success": http(206, b"{}"), "not modified": b"HTTP/1.1 304 X\r\n\r\n",
        "a redirect": http(302, more="Location: http://127.0.0.1:1/\r\n"),
        **{f"a page, {status}": http(status, page, "text/html") for status in _REFUSALS},
        **{f"JSON of a gateway, {status}": http(status, b'{"status": "no"}') for status in _REFUSALS},
    }  # fmt: skip


def faults(what: str) -> dict[str, bytes]:
    """Return all that may come in place of a good answer, by its name.

    What makes a table or queue is followed by a request to it, so that nobody takes a foreign success for one of it.
    """
    ok = OK[what]
    return _broken(ok) if what.startswith("create_") else {**_broken(ok), **_foreign(ok)}


def entity(row: Mapping[str, Any], etag: str) -> dict[str, Any]:
    """Return a row as storage spells it."""
    said: dict[str, Any] = {"odata.etag": etag}
    for name, value in row.items():
        if isinstance(value, bytes):
            said |= {f"{name}@odata.type": "Edm.Binary", name: base64.b64encode(value).decode()}
        else:
            said[name] = value
    return said


def row(found: Mapping[str, Any], etag: str) -> bytes:
    """Return the answer that is one row."""
    return http(200, json.dumps(entity(found, etag)).encode())


def rows(found: Sequence[tuple[Mapping[str, Any], str]]) -> bytes:
    """Return the answer that is a page of rows, the last one."""
    return http(200, json.dumps({"value": [entity(*one) for one in found]}).encode())


def refusal(status: int, code: str) -> bytes:
    """Return a refusal."""
    error = {"odata.error": {"code": code, "message": {"lang": "en-US", "value": f"0:{code}"}}}
    return http(status, json.dumps(error).encode(), more=f"x-ms-error-code: {code}\r\n")


def transaction(*parts: bytes) -> bytes:
    """Return the answer to a transaction: of each operation its own answer; of one that fails, that alone."""
    inner = b"".join(
        b"--c\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n" + part + b"\r\n"
        for part in parts
    )
    head = b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"
    return http(202, head + inner + b"--c--\r\n--b--\r\n", "multipart/mixed; boundary=b")


def done(etags: Sequence[str]) -> bytes:
    """Return the answer to a transaction that was carried out."""
    return transaction(
        *(f"HTTP/1.1 204 No Content\r\n{f'ETag: {etag}' if etag else 'X: x'}\r\n\r\n".encode() for etag in etags)
    )


_WHEN: Final = "Fri, 09 Oct 2026 21:04:30 GMT"
SENT: Final = http(
    201,
    (
        f"<?xml version='1.0'?><QueueMessagesList><QueueMessage><MessageId>1</MessageId><InsertionTime>{_WHEN}"
        f"</InsertionTime><ExpirationTime>{_WHEN}</ExpirationTime><PopReceipt>1</PopReceipt><TimeNextVisible>{_WHEN}"
        "</TimeNextVisible></QueueMessage></QueueMessagesList>"
    ).encode(),
    "application/xml",
)
"""The answer to a message that was taken."""


def _what(head: bytes) -> str:
    """Return by which method of the SDK a request is made."""
    method, path, _ = head.split(b" ", 2)
    path, _, query = path.partition(b"?")
    if path.endswith(b"/messages"):
        return "peek_messages" if b"peekonly" in query else "send_message"
    if method == b"PUT":
        return "create_queue"
    if method == b"POST":
        return "submit_transaction" if path.endswith(b"$batch") else "create_table"
    return "query_entities" if path.endswith(b"()") else "get_entity"


@asynccontextmanager
async def speaking(answer: Callable[[str], bytes], sizes: Callable[[int], object] = abs) -> AsyncIterator[str]:
    """Run the store; `answer` gets the name of the SDK's method that asks, `sizes` how many bytes each request has.

    Yields a connection string.
    """

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if length := _LENGTH.search(head):
                sizes(len(await reader.readexactly(int(length[1]))))
            writer.write(answer(_what(head)).replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            await writer.drain()
        except (IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async with await start_server(serve, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/acme"
        yield f"AccountName=acme;AccountKey=c2VjcmV0;TableEndpoint={address};QueueEndpoint={address}"
