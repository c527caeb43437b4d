"""Clients of one storage account: by connection string or identity, with what may go wrong turned into our errors."""

import math
from functools import cache
from typing import Any, Final

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables import RequestTooLargeError, TableErrorCode
from azure.data.tables.aio import TableClient

from guardrails.errors import NO_TOKEN, Misconfigured, Permanent, Retryable
from guardrails.register.table_client import LeanTableClient
from guardrails.runtime.transport import Foreign, asking, reading, transport

ROLES: Final = {"table": "Storage Table Data Contributor", "queue": "Storage Queue Data Contributor"}
ONCE: Final = {"retry_total": 0, "permit_redirects": False, "raw_request_hook": asking}
"""The SDK asks once: it would sleep through a Retry-After, and events have a time budget. Storage redirects nobody."""

_BUSY: Final = frozenset({408, 429, 500, 502, 503, 504})
_TOKEN_DELAY: Final = 60.0
_PASSING: Final = frozenset({"TableBeingDeleted", "TableNotFound", "QueueBeingDeleted", "QueueNotFound"})
_TOO_LARGE: Final = frozenset({"EntityTooLarge", "RequestBodyTooLarge", "PropertyValueTooLarge", "TooManyProperties"})

STATES: Final = frozenset({404, 409, 412})
"""The answers about the state of a row; callers act on them."""
_TABLE_CODES: Final = frozenset(code.value for code in TableErrorCode)


def table_client(
    table: str,
    *,
    connection_string: str = "",
    endpoint: str = "",
    credential: AsyncTokenCredential | None = None,
    over: AioHttpTransport | None = None,
) -> TableClient:
    """Return a client of one table. Opens no connection. Raises Misconfigured (bad-connection-string)."""
    options: dict[str, Any] = {"transport": over or transport(), "raw_response_hook": _is_no_xml, **ONCE}
    if credential is not None and not connection_string:
        return LeanTableClient(endpoint, table, credential=credential, **options)
    try:
        return LeanTableClient.from_connection_string(connection_string, table, **options)
    except ValueError as error:
        raise bad_connection_string() from error


def _is_no_xml(response: PipelineResponse[Any, Any]) -> None:
    """Raise Foreign for XML that no table answers with: to the SDK it is a query that found nothing."""
    kind = response.http_response.headers.get("Content-Type", "")
    if response.http_response.status_code < 400 and "xml" in kind.lower():
        raise Foreign("it is XML")


def bad_connection_string() -> Misconfigured:
    """Return (to raise) the error for a connection string that is none. It never shows the string."""
    return Misconfigured(
        "the storage connection string cannot be read",
        code="bad-connection-string",
        subject="AzureWebJobsStorage",
        remedy="Copy it from the storage account's access keys, or leave it out and use an identity",
    )


class translated:  # noqa: N801 - used as a function is
    """Turn the SDK's errors into ours: Retryable, Misconfigured (register-forbidden), Permanent (storage-refused).

    Around calls of the SDK and nothing else: what our own code raises there would be taken for a fault of storage's. A
    token that is refused is Retryable already, see `azure.identity`: it gets the subject.
    """

    def __init__(self, service: str, subject: str) -> None:
        self._service = service
        self._subject = subject
        self._reading = reading()

    def __enter__(self) -> None:
        self._reading.__enter__()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        try:
            self._reading.__exit__(kind, error, trace)
        except Foreign as foreign:
            error = foreign
        if isinstance(error, Retryable):
            error.subject = error.subject or self._subject
        else:
            _raise_ours(self._service, self._subject, error)


def _raise_ours(service: str, subject: str, error: BaseException) -> None:
    """Raise our error for one of the SDK's; for what is neither the SDK's nor about an answer, none."""
    if isinstance(error, ServiceRequestError | ServiceResponseError):
        raise unreachable(service, subject, f"is unavailable: {type(error).__name__}") from error
    if isinstance(error, HttpResponseError):
        raise _answered(service, subject, error) from error
    if isinstance(error, AzureError):
        raise Retryable(
            f"{service} storage failed: {type(error).__name__}", code="storage-busy", subject=subject
        ) from error
    if isinstance(error, Foreign):
        raise unreachable(service, subject, f"gave an answer that cannot be read: {error}") from error


def unreachable(service: str, subject: str, why: str) -> Retryable:
    """Return (to raise) the error where nothing came, or no answer of storage's; `why` goes on after `storage`."""
    remedy = "Check the network, proxies between here and storage, and AzureWebJobsStorage"
    return Retryable(f"{service} storage {why}", code="storage-unreachable", subject=subject, remedy=remedy)


def code_of(error: HttpResponseError) -> str:
    """Return storage's error code; "" where the answer has none.

    Where a code says that something is not there, is there, or has changed, one that storage does not have is none.
    """
    found: Any = getattr(error, "error_code", None) or ""
    code = str(getattr(found, "value", found))
    return "" if error.status_code in STATES and not (code in _TABLE_CODES or code in _queue_codes()) else code


@cache
def _queue_codes() -> frozenset[str]:
    from azure.storage.queue import StorageErrorCode  # noqa: PLC0415 - slow to load, see queues.connect

    return frozenset(code.value for code in StorageErrorCode)


def _answered(service: str, subject: str, error: HttpResponseError) -> Exception:
    status, code = error.status_code, code_of(error)
    within = status == 202 and isinstance(error, RequestTooLargeError)  # the answer to one operation of a transaction
    if within or (code and (status == 413 or code in _TOO_LARGE)):
        return too_large(subject, f"storage says {code or 'RequestBodyTooLarge'}")
    if status is None or status < 400 or (not code and status not in _BUSY):  # storage gives a code with each refusal
        said = f": HTTP {status}" if status else ""
        return unreachable(service, subject, f"gave an answer that cannot be read: {type(error).__name__}{said}")
    if status in _BUSY or code in _PASSING:
        message = f"{service} storage answered {status} {code}".rstrip()
        return Retryable(message, code="storage-busy", subject=subject, delay=_retry_after(error))
    if status == 401:  # who we are; 403 is what we may do
        return Retryable(
            f"{service} storage does not take our token: 401 {code}",
            code=NO_TOKEN,
            subject=subject,
            remedy="If the error stays, check that the app's identity is in the account's tenant. No role helps",
            delay=_TOKEN_DELAY,
        )
    if status == 403:
        return Misconfigured(
            f"{service} storage refuses us: 403 {code}",
            code="register-forbidden",
            subject=subject,
            remedy=f"Give the app's identity the role '{ROLES[service]}' on the storage account, and allow it in the"
            " account's firewall",
        )
    return Permanent(
        f"{service} storage refused a request: {status} {code}".rstrip(),
        code="storage-refused",
        subject=subject,
        remedy="Report this defect: the service should not have made this request",
    )


def _retry_after(error: HttpResponseError) -> float:
    headers = getattr(error.response, "headers", None) or {}
    text = headers.get("Retry-After", "")
    try:
        seconds = float(text)
    except ValueError:
        return 5.0
    return 5.0 if math.isnan(seconds) else min(max(seconds, 1.0), 3600.0)


def too_large(subject: str, why: str) -> Permanent:
    """Return (to raise) the error for something that does not fit into one transaction."""
    return Permanent(
        f"the decision is too large to record: {why}",
        code="body-too-large",
        subject=subject,
        remedy="Nothing was changed. Shorten the exemption's metadata",
    )
