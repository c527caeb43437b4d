"""What people, groups and applications are called, by Microsoft Graph. Optional: where it does not say, nothing fails.

Sources: Microsoft Graph v1.0 reference, "directoryObject: getByIds" (at most 1,000 ids; least privilege:
Directory.Read.All, delegated or application) and "List servicePrincipals" (`appId in (...)`, 15 values at most).
Azure Resource Manager names an application by its application id, which is no object id: hence the second.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from itertools import batched
from typing import Any, Final
from urllib.parse import quote

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.rest import AsyncHttpResponse

from guardrails.azure.rest import RETRY_CODES, Rest, delay_of, error_of, json_of
from guardrails.errors import NO_TOKEN, Retryable
from guardrails.lazy_regex import lazy_regex
from guardrails.runtime.transport import transport

PERMISSION: Final = "Directory.Read.All"
"""The permission that getByIds needs; Microsoft Graph's name for it."""

_MOST_IDS: Final = 1_000
_MOST_VALUES: Final = 15
_TRIES: Final = 3
_LONGEST_WAIT: Final = 30.0
_GUID: Final = lazy_regex(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Principals:
    """Asks Microsoft Graph for display names, and keeps them.

    Args:
        endpoint: https://graph.microsoft.com, or a sovereign cloud's; http only on loopback. Tokens are for it.
        credential: who asks.
        sleep: waits where Microsoft Graph asks for it, in seconds.
    """

    def __init__(
        self,
        endpoint: str,
        credential: AsyncTokenCredential,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._rest = Rest(endpoint, credential, transport())
        self._sleep = sleep
        self._names: dict[str, str] = {}

    async def close(self) -> None:
        """Close the connections."""
        await self._rest.close()

    async def names(self, texts: Iterable[str]) -> tuple[Mapping[str, str], str]:
        """Return display names by id (lower case) for those of the texts that are ids, and why some are missing.

        The reason is one sentence, "" where Microsoft Graph answered everything. An id that it does not know has no
        name and needs no reason. Raises nothing of Microsoft Graph's.
        """
        ids = {text.strip().lower() for text in texts}
        wanted = sorted(one for one in ids - self._names.keys() if _GUID.fullmatch(one))
        try:
            nameless = await self._by_object_id(wanted)
            nameless += await self._by_application_id([one for one in wanted if one not in self._names])
        except Retryable as error:
            return self._names, f"display names could not be read: {error.message}"
        names = "display name" if nameless == 1 else "display names"
        why = f"Microsoft Graph hides {nameless:,} {names}: it needs {PERMISSION}" if nameless else ""
        return self._names, why

    async def _by_object_id(self, ids: Collection[str]) -> int:
        """Ask for objects by id; return how many came without a name, for want of a permission."""
        hidden = 0
        for some in batched(ids, _MOST_IDS, strict=False):
            answer = await self._ask("POST", "directoryObjects/getByIds", {"ids": some})
            hidden += self._learn(answer, "id")
        return hidden

    async def _by_application_id(self, ids: Collection[str]) -> int:
        hidden = 0
        for some in batched(ids, _MOST_VALUES, strict=False):
            listed = ",".join(f"'{one}'" for one in some)
            query = f"$filter={quote(f'appId in ({listed})')}&$select=appId,displayName"
            hidden += self._learn(await self._ask("GET", f"servicePrincipals?{query}"), "appId")
        return hidden

    def _learn(self, answer: object, key: str) -> int:
        rows = answer.get("value") if isinstance(answer, Mapping) else None
        hidden = 0
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, Mapping) and isinstance(row.get(key), str):
                name = row.get("displayName")
                if isinstance(name, str) and name:
                    self._names[row[key].lower()] = name
                else:
                    hidden += 1
        return hidden

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return the JSON of an answer. Raises Retryable, saying why there is none, after a few tries."""
        for left in reversed(range(_TRIES)):
            response = await self._sent(method, f"{self._rest.endpoint}/v1.0/{path}", body)
            if response.status_code not in RETRY_CODES or response.status_code == 401 or not left:
                break
            await self._sleep(min(delay_of(response.headers), _LONGEST_WAIT))
        if response.status_code == 200:
            return json_of(response)
        code, message = error_of(response)
        needs = f"; it needs {PERMISSION}" if response.status_code in (401, 403) else ""
        raise Retryable(f"Microsoft Graph answered {code}: {message}{needs}", code="names-unread")

    async def _sent(self, method: str, url: str, body: Mapping[str, Any] | None) -> AsyncHttpResponse:
        try:
            return await self._rest.exchange(method, url, "", body)
        except Retryable as error:
            if error.code == NO_TOKEN:
                raise
            message = f"Microsoft Graph ({self._rest.endpoint}) did not answer: {type(error.__cause__).__name__}"
            raise Retryable(message, code="names-unread") from error
