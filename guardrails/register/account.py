"""Clients of one storage account: by connection string or identity, with what may go wrong turned into our errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables.aio import TableClient

from guardrails.errors import Misconfigured, Permanent, Retryable
from guardrails.transport import transport

ROLES: Final = {"table": "Storage Table Data Contributor", "queue": "Storage Queue Data Contributor"}
RETRIES: Final = {"retry_total": 0}
"""The SDK does not try again by itself: it would sleep through a Retry-After, and events have a time budget."""

_BUSY: Final = frozenset({408, 429, 500, 502, 503, 504})
_PASSING: Final = frozenset({"TableBeingDeleted", "TableNotFound", "QueueBeingDeleted", "QueueNotFound"})
_TOO_LARGE: Final = frozenset({"EntityTooLarge", "RequestBodyTooLarge", "PropertyValueTooLarge"})


def table_client(
    table: str,
    *,
    connection_string: str = "",
    endpoint: str = "",
    credential: AsyncTokenCredential | None = None,
    over: AioHttpTransport | None = None,
) -> TableClient:
    """Return a client of one table. Opens no connection. Raises Misconfigured (bad-connection-string)."""
    options = {"transport": over or transport(), **RETRIES}
    if credential is not None and not connection_string:
        return TableClient(endpoint, table, credential=credential, **options)
    try:
        return TableClient.from_connection_string(connection_string, table, **options)
    except ValueError as error:
        raise bad_connection_string() from error


def bad_connection_string() -> Misconfigured:
    """Return (to raise) the error for a connection string that is none. It never shows the string."""
    return Misconfigured(
        "the storage connection string cannot be read",
        code="bad-connection-string",
        subject="AzureWebJobsStorage",
        remedy="Copy it from the storage account's access keys, or leave it out and use an identity",
    )


@contextmanager
def translated(service: str, subject: str) -> Iterator[None]:
    """Turn the SDK's errors into ours: Retryable, Misconfigured (register-forbidden), Permanent (storage-refused)."""
    try:
        yield
    except (ServiceRequestError, ServiceResponseError) as error:
        message = f"{service} storage cannot be reached: {type(error).__name__}"
        remedy = "Look at the network, and at AzureWebJobsStorage"
        raise Retryable(message, code="storage-unreachable", subject=subject, remedy=remedy) from error
    except HttpResponseError as error:
        raise _answered(service, subject, error) from error
    except AzureError as error:
        raise Retryable(
            f"{service} storage failed: {type(error).__name__}", code="storage-busy", subject=subject
        ) from error


def _answered(service: str, subject: str, error: HttpResponseError) -> Exception:
    status, code = error.status_code, getattr(error, "error_code", None) or ""
    code = str(getattr(code, "value", code))
    if status is None and isinstance(error, ClientAuthenticationError):
        message = f"{service} storage cannot be used: the identity gives no token"
        remedy = "Log in with `az login`; for the function app, look at its managed identity"
        return Retryable(message, code="no-token", subject=subject, remedy=remedy, delay=60.0)
    if status in _BUSY or code in _PASSING:
        message = f"{service} storage answered {status} {code}".rstrip()
        return Retryable(message, code="storage-busy", subject=subject, delay=_retry_after(error))
    if status in (401, 403):
        return Misconfigured(
            f"{service} storage refuses us: {status} {code}".rstrip(),
            code="register-forbidden",
            subject=subject,
            remedy=f"Give the app's identity the role '{ROLES[service]}' on the storage account, and let the account's"
            " firewall pass it",
        )
    if status == 413 or code in _TOO_LARGE:
        return too_large(subject, f"storage says {code or status}")
    return Permanent(
        f"{service} storage refused a request: {status} {code}".rstrip(),
        code="storage-refused",
        subject=subject,
        remedy="Report it: the request is one that this service should not have made",
    )


def _retry_after(error: HttpResponseError) -> float:
    headers = getattr(error.response, "headers", None) or {}
    told = headers.get("Retry-After", "")
    try:
        return min(max(float(told), 1.0), 3600.0)
    except ValueError:
        return 5.0


def too_large(subject: str, why: str) -> Permanent:
    """Return (to raise) the error for something that does not fit into one transaction."""
    return Permanent(
        f"the decision is too large to record: {why}",
        code="body-too-large",
        subject=subject,
        remedy="Nothing was changed. Shorten the exemption's metadata",
    )
