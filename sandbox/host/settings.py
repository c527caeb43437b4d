"""host.json and app settings, read as the real host reads them."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

OVERRIDE = "AzureFunctionsJobHost__"


class HostError(Exception):
    """The host cannot run this app: the text says why and what to change."""


@dataclass(frozen=True)
class QueueOptions:
    """`extensions.queues` of host.json, with the real host's defaults. Times in seconds."""

    max_dequeue_count: int
    batch_size: int
    new_batch_threshold: int
    visibility_timeout: float
    max_polling_interval: float
    base64: bool


def seconds(text: str) -> float:
    """A .NET TimeSpan `[d.]hh:mm:ss[.fff]` in seconds.

    Raises:
        HostError: the text is not a TimeSpan.
    """
    found = re.fullmatch(r"(?:(\d+)\.)?(\d{1,2}):(\d{1,2}):(\d{1,2}(?:\.\d{1,7})?)", text.strip())
    if not found:
        raise HostError(f"host.json: {text!r} is not a time span; write it as hh:mm:ss, such as 00:00:10")
    days, hours, minutes, rest = found.groups()
    return int(days or 0) * 86_400 + int(hours) * 3_600 + int(minutes) * 60 + float(rest)


def read_host_json(app: Path, environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The app's host.json with overrides from app settings.

    A setting `AzureFunctionsJobHost__extensions__queues__batchSize` replaces `extensions.queues.batchSize`, as in Azure
    (Microsoft's host.json reference, "Override host.json values").

    Raises:
        HostError: there is no app here, or its host.json is not a JSON object.
    """
    if not (app / "function_app.py").is_file():
        raise HostError(f"{app}: there is no function_app.py here")
    path = app / "host.json"
    try:
        host = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        raise HostError(f"{path.name} is not JSON: {error}") from error
    if not isinstance(host, dict):
        raise HostError(f"{path.name} must hold a JSON object")
    for name, value in environ.items():
        if name.startswith(OVERRIDE):
            *parents, last = name.removeprefix(OVERRIDE).split("__")
            node = host
            for parent in parents:
                node = node.setdefault(parent, {})
            node[last] = value
    return cast(dict[str, Any], host)


def queue_options(host: Mapping[str, Any]) -> QueueOptions:
    """The queue options in a host.json.

    Raises:
        HostError: a value has the wrong form.
    """
    queues = host.get("extensions", {}).get("queues", {})
    try:
        batch_size = int(queues.get("batchSize", 16))
        return QueueOptions(
            max_dequeue_count=int(queues.get("maxDequeueCount", 5)),
            batch_size=batch_size,
            new_batch_threshold=int(queues.get("newBatchThreshold", batch_size // 2)),
            visibility_timeout=seconds(queues.get("visibilityTimeout", "00:00:00")),
            max_polling_interval=seconds(queues.get("maxPollingInterval", "00:01:00")),
            base64=str(queues.get("messageEncoding", "base64")).lower() == "base64",
        )
    except (TypeError, ValueError) as error:
        raise HostError(f"host.json: extensions.queues: {error}") from error


def resolve(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Replace each `%NAME%` by the app setting NAME.

    Raises:
        HostError: there is no such setting.
    """

    def setting(found: re.Match[str]) -> str:
        value = environ.get(found[1])
        if value is None:
            raise HostError(f"{text!r}: there is no app setting {found[1]}; set it in the environment")
        return value

    return re.sub(r"%([^%\s]+)%", setting, text)


def connection_string(name: str, environ: Mapping[str, str] = os.environ) -> str:
    """The storage connection string that a binding's `connection` names.

    Raises:
        HostError: it is not set, or is identity-based, which Azurite cannot serve over plain HTTP.
    """
    name = name or "AzureWebJobsStorage"
    value = environ.get(name) or environ.get(f"AzureWebJobs{name}")
    if value:
        return value
    if any(key.startswith(f"{name}__") for key in environ):
        raise HostError(f"{name}__...: identity-based; the sandbox's host needs a connection string in {name}")
    raise HostError(f"the app setting {name} (a storage connection string) is missing")


def disabled(function: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether an app setting switches the function's trigger off (`AzureWebJobs.NAME.Disabled`)."""
    names = (f"AzureWebJobs.{function}.Disabled", f"AzureWebJobs_{function}_Disabled")
    return any(environ.get(name, "").lower() in {"true", "1"} for name in names)
