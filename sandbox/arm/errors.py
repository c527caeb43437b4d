"""ARM's errors: a status, a code and a message, rendered as `{"error": {"code", "message"}}`."""

import json


class ArmError(Exception):
    """An error answer. `headers` go out with it."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}

    def body(self) -> bytes:
        return json.dumps({"error": {"code": self.code, "message": self.message}}).encode()


def bad_content(why: str) -> ArmError:
    message = f"The request content was invalid and could not be deserialized: '{why}'."
    return ArmError(400, "InvalidRequestContent", message)


def not_allowed(method: str) -> ArmError:
    message = f"The requested resource does not support http method '{method}'."
    return ArmError(405, "HttpMethodNotAllowed", message)
