"""ARM's errors: a status, a code and a message, rendered as `{"error": {"code", "message"}}`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any


class ArmError(Exception):
    """An error answer. `headers` go out with it; `details` are pairs of a code and a message below the error.

    `info` is an entry of its additionalInfo.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        headers: dict[str, str] | None = None,
        details: Sequence[tuple[str, str]] = (),
        *,
        info: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}
        self.details = [{"code": one, "message": why} for one, why in details]
        self.info = info

    def body(self) -> bytes:
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        more = {"details": self.details, "additionalInfo": [self.info] if self.info else []}
        return json.dumps({"error": error | {name: value for name, value in more.items() if value}}).encode()


def bad_content(why: str) -> ArmError:
    message = f"The request content was invalid and could not be deserialized: '{why}'."
    return ArmError(400, "InvalidRequestContent", message)


def not_allowed(method: str) -> ArmError:
    message = f"The requested resource does not support http method '{method}'."
    return ArmError(405, "HttpMethodNotAllowed", message)
