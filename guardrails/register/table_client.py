"""A client of one table that makes the requests of the hot path by itself, and leaves all else to azure-data-tables.

`table_wire` encodes a point read, a query and a transaction, and they go through the SDK's pipeline: its policies for
headers, authentication, retries and our hooks, and its transport. Policies that have nothing to do there are left out.
`table_answers` reads plain success. Any other answer is handed to the SDK's own method, as the answer to its own
request: it raises what it always raises.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextvars import ContextVar
from functools import cached_property
from typing import Any, Final
from uuid import uuid4
from wsgiref.handlers import format_date_time

from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import ResourceNotFoundError
from azure.core.pipeline import AsyncPipeline, PipelineRequest
from azure.core.pipeline.policies import (
    AsyncRedirectPolicy,
    ContentDecodePolicy,
    DistributedTracingPolicy,
    HttpLoggingPolicy,
    NetworkTraceLoggingPolicy,
    ProxyPolicy,
    SansIOHTTPPolicy,
)
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.data.tables import TableEntity, TableErrorCode
from azure.data.tables._error import _process_table_error
from azure.data.tables.aio import TableClient

from guardrails.register import table_answers as answers
from guardrails.register import table_wire as wire
from guardrails.register.columns import Value

_PAGE: Final = 1000
_IDLE: Final = (
    ProxyPolicy, ContentDecodePolicy, AsyncRedirectPolicy, NetworkTraceLoggingPolicy, DistributedTracingPolicy,
    HttpLoggingPolicy,
)  # fmt: skip
"""Policies that have nothing to do: our transport knows the proxy, answers are read here, storage redirects nobody, and
nothing of a request is logged or traced."""
_NEXT: Final = ("x-ms-continuation-NextPartitionKey", "x-ms-continuation-NextRowKey")
"""Headers of a page after which there is another."""
_NOBODY: Final = AzureNamedKeyCredential("nobody", "bm9ib2R5")
_ANSWER: ContextVar[AsyncHttpResponse] = ContextVar("_ANSWER")

type _Pipeline = AsyncPipeline[HttpRequest, AsyncHttpResponse]


class LeanTableClient(TableClient):
    """azure.data.tables.aio.TableClient; `options` are the client's.

    Its rows have no `timestamp` among their metadata: nothing asks for it, and it costs more than the rest of the row.
    """

    def __init__(self, endpoint: str, table_name: str, **options: Any) -> None:
        super().__init__(endpoint, table_name, **options)
        policies = self._configure_policies(hosts=self._hosts, **options)
        lean = [one for one in policies if not isinstance(one, _IDLE)]
        self._pipeline: _Pipeline = AsyncPipeline(self._client._client._pipeline._transport, lean)  # noqa: SLF001

    async def get_entity(  # type: ignore[override]  # `select` is a list here
        self, partition_key: str, row_key: str, *, select: list[str] | None = None, **more: Any
    ) -> TableEntity:
        """Return one row, or these columns of it. Raises as the SDK's does."""
        if more or not self._is_plain:
            return await super().get_entity(partition_key, row_key, select=select, **more)
        answer = await self._sent("GET", wire.point(self.table_name, partition_key, row_key, select), wire.READING)
        if answer.status_code == 404:  # as each new exemption begins
            if said := answers.no_row(answer.headers.get("Content-Type", ""), answer.content):
                raise _no_row(said, answer)
            error = ResourceNotFoundError(response=answer)  # the SDK's last step alone does
            _process_table_error(error, table_name=self.table_name)  # type: ignore[no-untyped-call]
        found = answers.read_row(_json(answer))
        if found is None:
            with _given(answer):
                return await self._sdk.get_entity(partition_key, row_key, select=select)
        return _entity(*found)

    async def query_entities(  # type: ignore[override]  # an async generator does for a pager
        self, query_filter: str, *, select: list[str] | None = None, results_per_page: int = _PAGE
    ) -> AsyncIterator[TableEntity]:
        """Yield the rows that a filter finds, in the order of their keys: one request for each page."""
        after: tuple[str | None, str | None] = (None, None)
        while True:
            path = wire.page(self.table_name, query_filter, select, results_per_page, after)
            answer = await self._sent("GET", path, wire.READING)
            found = answers.read_page(_json(answer))
            if found is None:
                for row in await self._read(answer, query_filter, select):
                    yield row
            else:
                for one in found:
                    yield _entity(*one)
            after = answer.headers.get(_NEXT[0]), answer.headers.get(_NEXT[1])
            if not any(after):
                return

    async def _read(self, answer: AsyncHttpResponse, where: str, select: list[str] | None) -> list[TableEntity]:
        with _given(answer):
            first = await anext(self._sdk.query_entities(where, select=select).by_page())
            return [row async for row in first]

    async def submit_transaction(  # type: ignore[override]  # a sequence does: it may be encoded twice
        self, operations: Sequence[wire.Operation], **more: Any
    ) -> list[Mapping[str, Any]]:
        """Do all or none. Raises as the SDK's does."""
        batch, changeset = f"batch_{uuid4()}", f"changeset_{uuid4()}"
        date = format_date_time(time.time())
        body = (
            None
            if more or not self._is_plain
            else wire.transaction(
                self.url,
                self.table_name,
                operations,
                version=self.api_version,
                date=date,
                batch=batch,
                changeset=changeset,
            )
        )
        if body is None:
            return list(await super().submit_transaction(operations, **more))
        await asyncio.sleep(0)  # what was packed may have taken long: let the loop see which connections went away
        headers = {**wire.WRITING, "Content-Type": f"multipart/mixed; boundary={batch}"}
        answer = await self._sent("POST", "/$batch", headers, body)
        kind = answer.headers.get("Content-Type", "")
        done = answers.etags(kind, answer.content, len(operations)) if answer.status_code == 202 else None
        if done is None:
            with _given(answer):
                return list(await self._sdk.submit_transaction(operations))
        return [*done]

    async def _sent(
        self, method: str, path: str, headers: Mapping[str, str], content: bytes | None = None
    ) -> AsyncHttpResponse:
        """Send a request through the pipeline of the SDK's client; return its answer whatever it is, read whole."""
        own = {"x-ms-version": self.api_version, "x-ms-client-request-id": str(uuid4())}  # the SDK's uuid1 takes longer
        headers = {**own, **headers}
        request = HttpRequest(method, self.url + path, headers=headers, content=content)
        answer = (await self._pipeline.run(request, stream=True)).http_response
        await answer.read()
        return answer

    @cached_property
    def _is_plain(self) -> bool:
        """Whether the account's address is one; with a signature in it, the SDK puts requests together."""
        return "?" not in self.url

    @cached_property
    def _sdk(self) -> TableClient:
        """A client that gets the answer of `_given`, whatever it asks."""
        policies = [_Here(), ContentDecodePolicy(response_encoding="utf-8")]
        return TableClient(self.url, self.table_name, credential=_NOBODY, transport=_Given(), policies=policies)


class _given:  # noqa: N801 - used as a function is
    """Within, every request of `_sdk` is answered so."""

    def __init__(self, answer: AsyncHttpResponse) -> None:
        self._answer = answer

    def __enter__(self) -> None:
        self._token = _ANSWER.set(self._answer)

    def __exit__(self, *_: object) -> None:
        _ANSWER.reset(self._token)


class _Here(SansIOHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Says which location of the account was asked, as the SDK wants to know of a query."""

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        """Say it."""
        request.context["location_mode"] = "primary"


class _Whole:
    """An answer that was read whole, as aiohttp would have it."""

    def __init__(self, answer: AsyncHttpResponse) -> None:
        self.status, self.reason, self.headers = answer.status_code, answer.reason, answer.headers
        self._content = answer.content

    async def read(self) -> bytes:
        """Return all of its body."""
        return self._content

    def close(self) -> None:
        """Close nothing."""


class _Given(AsyncHttpTransport[HttpRequest, AsyncHttpResponse]):
    """A transport that sends nothing."""

    async def send(self, request: HttpRequest, *, stream: bool = False, **_: Any) -> AsyncHttpResponse:
        """Return what is given, as the answer to this request."""
        given = _ANSWER.get()
        response: Any = type(given)
        answer: AsyncHttpResponse = response(request=request, internal_response=_Whole(given), decompress=False)
        if not stream:
            await answer.read()
        return answer

    async def open(self) -> None:
        """Open nothing."""

    async def close(self) -> None:
        """Close nothing."""

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _json(answer: AsyncHttpResponse) -> Any:
    """Return the JSON of a plain success; None for all else."""
    if answer.status_code != 200 or not answer.headers.get("Content-Type", "").lower().startswith("application/json"):
        return None
    try:
        return json.loads(answer.content.decode("utf-8"))
    except (ValueError, RecursionError):
        return None


def _no_row(said: str, answer: AsyncHttpResponse) -> ResourceNotFoundError:
    """Return (to raise) what the SDK raises for a row that is not there; it would read the answer three times."""
    error = ResourceNotFoundError(said)
    error.error_code, error.additional_info = TableErrorCode.RESOURCE_NOT_FOUND, {}  # type: ignore[attr-defined]
    error.response, error.status_code, error.reason = answer, answer.status_code, answer.reason
    return error


def _entity(columns: Mapping[str, Value], etag: str | None) -> TableEntity:
    entity = TableEntity(columns)
    entity._metadata = {"etag": etag}  # type: ignore[typeddict-item]  # noqa: SLF001 - no timestamp: see above
    return entity
