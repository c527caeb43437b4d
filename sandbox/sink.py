"""Where notices end up: Teams, Slack and a signed webhook, on one listener that checks what it gets.

    POST /teams, /slack, /webhook (and anything below them)
    GET  /_sandbox/received      POST /_sandbox/fail {count, status, retry_after, stall, ratio, seed, drop, path}
    GET  /_sandbox/duplicates    POST /_sandbox/reset

Limits: Teams messages of 28 KB (msteams-docs, Incoming Webhooks), webhooks of 20 KB (Standard Webhooks asks for less
than that). A card may have what our notices are made of, by card.schema.json.
"""

import asyncio
import hashlib
import json
import random
import re
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from aiohttp import web
from jsonschema_rs import Draft6Validator, ValidationError, ValidationErrorKind
from standardwebhooks import Webhook, WebhookVerificationError

from sandbox.arm.listener import Listener

DEFAULT_SECRET = "whsec_c2FuZGJveC13ZWJob29rLXNlY3JldC0wMTIzNDU2Nzg5"
CARD_SCHEMA = Path(__file__).with_name("card.schema.json")
CARD_TYPE = "application/vnd.microsoft.card.adaptive"
MAX_TEAMS_BYTES = 28 * 1024
MAX_WEBHOOK_BYTES = 20 * 1024
MAX_SLACK_TEXT = 3000
MAX_SLACK_BLOCKS = 50
_SHOWN = 5
"""Errors of a card that are named: the first ones."""
_OK = {"teams": 202, "slack": 200, "webhook": 200}


@dataclass(slots=True)
class Received:
    """One message as it came: `problems` is empty when it is in order; `status` is what was answered."""

    at: float
    channel: str
    path: str
    headers: dict[str, str]
    body: str
    id: str
    problems: list[str]
    status: int = 0


@dataclass(slots=True)
class Failing:
    """How to fail. The next `count` requests do (None: all of them), or a `ratio` of them, drawn with a seed.

    `status` is answered, after `stall` seconds; 0 stalls and then answers as usual; `drop` closes the connection.
    `path` is a regular expression that limits it.
    """

    count: int | None = 1
    status: int = 503
    retry_after: str = ""
    stall: float = 0.0
    ratio: float = 1.0
    drop: bool = False
    path: str = ""
    seed: int = 0
    draw: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)  # noqa: S311  not for secrets

    def strikes(self, path: str) -> bool:
        """Return whether this request is hit, and use up one of the count."""
        if self.count == 0 or re.search(self.path, path) is None or self.draw.random() >= self.ratio:
            return False
        if self.count is not None:
            self.count -= 1
        return True


class Sink:
    """Receives, checks, keeps. `received` is everything in order of arrival; `refuse_bad` answers 400 to bad ones."""

    def __init__(self, *, webhook_secret: str = DEFAULT_SECRET, refuse_bad: bool = True) -> None:
        self.webhook_secret = webhook_secret
        self.received: list[Received] = []
        self.failing: Failing | None = None
        self.refuse_bad = refuse_bad
        self._webhook = Webhook(webhook_secret)
        self._cards = Draft6Validator(json.loads(CARD_SCHEMA.read_text(encoding="utf-8")), offline=True)
        self._listener = Listener(self._handle)

    @property
    def address(self) -> str:
        return self._listener.address

    async def start(self) -> str:
        return await self._listener.start()

    async def stop(self) -> None:
        await self._listener.stop()

    def fail(self, **how: Any) -> None:
        """Fail from now on, as `Failing` says."""
        self.failing = Failing(**how)

    def accepted(self, channel: str) -> list[Received]:
        """Return the messages of a channel that were in order and answered with success."""
        return [one for one in self.received if one.channel == channel and 200 <= one.status < 300]

    def duplicates(self) -> dict[str, int]:
        """Return how often each id was accepted, for those accepted more than once on one channel."""
        counts = Counter((one.channel, one.id) for one in self.received if 200 <= one.status < 300)
        return {f"{channel}:{identity}": count for (channel, identity), count in counts.items() if count > 1}

    def reset(self) -> None:
        self.received.clear()
        self.failing = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path.startswith("/_sandbox/"):
            return await self._control(request)
        channel = path.strip("/").partition("/")[0]
        if channel not in _OK or request.method != "POST":
            return web.Response(status=404, text="POST to /teams, /slack or /webhook.")
        body = await request.content.read()
        one = self.check(channel, path, dict(request.headers), body)
        self.received.append(one)
        one.status = 400 if one.problems and self.refuse_bad else _OK[channel]
        headers: dict[str, str] = {}
        failing = self.failing
        if failing and failing.strikes(path):
            one.status = failing.status or one.status
            headers = {"Retry-After": str(failing.retry_after)} if failing.retry_after != "" else {}
            if failing.stall:
                await asyncio.sleep(failing.stall)
            if failing.drop and request.transport is not None:
                one.status = 0
                request.transport.abort()
                return web.Response(status=500)
        text = "; ".join(one.problems) if one.status == 400 else "ok" if channel == "slack" else ""
        return web.Response(status=one.status, text=text, headers=headers)

    def check(self, channel: str, path: str, headers: dict[str, str], body: bytes) -> Received:
        """Check one message without keeping it."""
        text = body.decode(errors="replace")
        lowered = {key.lower(): value for key, value in headers.items()}
        identity = lowered.get("webhook-id") or hashlib.sha256(body).hexdigest()[:16]
        one = Received(time.time(), channel, path, headers, text, identity, [])
        if not lowered.get("content-type", "").startswith("application/json"):
            one.problems.append("the content type is not application/json")
        if channel == "webhook":
            self._check_webhook(one, lowered, body)
            return one
        try:
            message = json.loads(body)
        except ValueError:
            one.problems.append("the body is not JSON")
            return one
        if channel == "teams":
            self._check_teams(one, message, len(body))
        else:
            _check_slack(one, message)
        return one

    def _check_webhook(self, one: Received, headers: dict[str, str], body: bytes) -> None:
        if len(body) > MAX_WEBHOOK_BYTES:
            one.problems.append(f"the body has {len(body)} bytes, over {MAX_WEBHOOK_BYTES}")
        if "." in headers.get("webhook-id", ""):
            one.problems.append("webhook-id has a period")
        try:
            # It also refuses a webhook-timestamp more than five minutes off.
            message = self._webhook.verify(body, headers)
        except (WebhookVerificationError, ValueError) as error:
            one.problems.append(f"signature: {error}")
            return
        lacking = {"type", "timestamp", "data"} - set(message if isinstance(message, dict) else ())
        if lacking:
            one.problems.append(f"the body lacks {', '.join(sorted(lacking))}")

    def _check_teams(self, one: Received, message: Any, size: int) -> None:
        if size > MAX_TEAMS_BYTES:
            one.problems.append(f"the message has {size} bytes, over {MAX_TEAMS_BYTES}")
        attachments = message.get("attachments") if isinstance(message, dict) else None
        if not isinstance(attachments, list) or not attachments or message.get("type") != "message":
            one.problems.append('the envelope is not {"type": "message", "attachments": [...]}')
            return
        for attachment in attachments:
            if not isinstance(attachment, dict) or attachment.get("contentType") != CARD_TYPE:
                one.problems.append(f"an attachment is not of type {CARD_TYPE}")
                continue
            self._check_card(one, attachment.get("content"))

    def _check_card(self, one: Received, card: Any) -> None:
        if not isinstance(card, dict) or card.get("type") != "AdaptiveCard":
            one.problems.append("the content of an attachment is not an AdaptiveCard")
            return
        if '"Action.Submit"' in json.dumps(card):
            one.problems.append("Action.Submit does not work in a card posted by a webhook")
        plain = {key: value for key, value in card.items() if key != "msteams"}  # Teams' own property, not the schema's
        try:
            errors = [_innermost(error) for error in islice(self._cards.iter_errors(plain), _SHOWN)]
        except ValueError as error:  # nested too deeply, or text that is no Unicode
            one.problems.append(f"card schema: {error}")
            return
        for wrong in errors:
            where = "/".join(map(str, wrong.instance_path))
            one.problems.append(f"card schema: {where}: {wrong.message[:300]}")

    async def _control(self, request: web.BaseRequest) -> web.Response:
        name = request.path.removeprefix("/_sandbox/")
        if (request.method, name) == ("GET", "received"):
            return web.json_response([asdict(one) for one in self.received])
        if (request.method, name) == ("GET", "duplicates"):
            return web.json_response(self.duplicates())
        if (request.method, name) == ("POST", "reset"):
            self.reset()
            return web.json_response({})
        if (request.method, name) == ("POST", "fail"):
            try:
                self.fail(**json.loads(await request.text()))
            except (TypeError, ValueError) as error:
                return web.json_response({"error": str(error)}, status=400)
            return web.json_response({})
        return web.json_response({"error": f"There is no {request.method} {name}."}, status=404)


def _innermost(error: ValidationError) -> ValidationError:
    """Return the error itself; where none of several forms fits, the first error of the form that fits best."""
    while isinstance(error.kind, ValidationErrorKind.AnyOf):
        form = min(error.kind.context, key=lambda form: (_of_another_type(form), len(form)))
        error = next(filter(_at_type, form), form[0])
    return error


def _of_another_type(form: list[ValidationError]) -> bool:
    return any(map(_at_type, form))


def _at_type(error: ValidationError) -> bool:
    return error.instance_path[-1:] == ["type"]


def _check_slack(one: Received, message: Any) -> None:
    if not isinstance(message, dict) or not (message.get("text") or message.get("blocks")):
        one.problems.append("no_text")
        return
    blocks = message.get("blocks") or []
    if len(blocks) > MAX_SLACK_BLOCKS:
        one.problems.append(f"invalid_blocks: {len(blocks)} blocks, over {MAX_SLACK_BLOCKS}")
    texts = [block.get("text") for block in blocks if isinstance(block, dict)]
    if any(isinstance(text, dict) and len(str(text.get("text", ""))) > MAX_SLACK_TEXT for text in texts):
        one.problems.append(f"invalid_blocks: a text has over {MAX_SLACK_TEXT} characters")
