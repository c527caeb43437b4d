"""Cloud Custodian with its cloud's address changed to the sandbox's; it has no setting for that.

Runs in Custodian's own environment, as AZURE_CLIENT_ID, a managed identity, in AZURE_SUBSCRIPTION_ID.

    custodian.py cli ARGUMENTS               the command line, `custodian ARGUMENTS`
    custodian.py package POLICIES NAME DIR   the function app that Custodian would publish for a policy, unpacked in DIR
    custodian.py function DIR                its function, called once for each message that is in its queue now
    custodian.py cost DIR EVENTS WARM        its function, called once for each event in a file; CPU seconds per event,
                                             and when the last was answered
    custodian.py filters FILTERS RESOURCES   its filters over the resources in a file, once for each line on standard
                                             input; prints CPU seconds, and how many resources each filter chose
"""

import importlib.util
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from azure.functions.queue import QueueMessage
from azure.storage.queue import QueueClient, TextBase64DecodePolicy
from c7n.config import Config
from c7n.filters.core import ValueFilter
from c7n.policy import PolicyCollection
from c7n.resources import load_resources
from c7n.structure import StructureParser
from c7n_azure.entry import initialize_azure
from c7n_azure.provider import Azure
from msrestazure.azure_cloud import AZURE_PUBLIC_CLOUD

AZURE_PUBLIC_CLOUD.endpoints.resource_manager = os.environ["SANDBOX_ARM_TLS"] + "/"


def cli(*arguments: str) -> None:
    """Run the command line."""
    from c7n.cli import main  # noqa: PLC0415 - the functions in Azure do not import it

    sys.argv[1:] = arguments
    main()


def package(policies: str, name: str, folder: str) -> dict[str, Any]:
    """Unpack the function app of a policy; return its queue and the operations whose events go there."""
    every = yaml.safe_load(Path(policies).read_text("utf-8"))["policies"]
    chosen = {"policies": [one for one in every if one["name"] == name]}
    chosen["policies"][0]["mode"]["execution-options"] = {"output_dir": f"{folder}/output"}
    initialize_azure()
    load_resources(StructureParser().get_resource_types(chosen))
    (policy,) = PolicyCollection.from_data(chosen, Azure().initialize(Config.empty()))
    policy.validate()
    mode = policy.get_execution_mode()
    mode.function_params = mode.get_function_app_params()
    queue = mode.function_params.function_app["name"].lower()
    made = mode.build_functions_package(queue_name=queue)
    with made.pkg.get_reader() as archive:
        archive.extractall(folder)
    made.pkg.remove()
    return {"queue": queue, "operations": list(mode.subscribed_events)}


def function(folder: str) -> list[dict[str, Any]]:
    """Call the function as its host does; return, for each message, what it made of it.

    That is the event's `subject`, the `resources` that Custodian read and its filters chose, what it `said` in its log,
    and the `error` that it raised, which the host would have it try again for.
    """
    code, binding = _loaded(folder)
    said: list[str] = []
    log = logging.getLogger("custodian")
    log.setLevel(logging.INFO)
    log.addHandler(_Kept(said))
    done = []
    with QueueClient.from_connection_string(
        os.environ[binding["connection"]], binding["queueName"], message_decode_policy=TextBase64DecodePolicy()
    ) as queue:
        for message in queue.receive_messages():
            said.clear()
            shutil.rmtree(output := Path(folder, "output"), ignore_errors=True)
            error = ""
            try:
                code.main(_message(message.id, message.content, message.dequeue_count))
            except Exception as raised:  # noqa: BLE001 - whatever a host would see
                error = f"{type(raised).__name__}: {raised}"
            queue.delete_message(message)
            resources = [one for file in output.rglob("resources.json") for one in json.loads(file.read_text("utf-8"))]
            subject = json.loads(message.content)["subject"]
            done.append({"subject": subject, "resources": resources, "said": list(said), "error": error})
    return done


def cost(folder: str, events: str, warm: str) -> tuple[float, float]:
    """Call the function for each event; return the CPU seconds of each after the first `warm`, and time.perf_counter().

    That is the same for all processes.
    """
    code, _ = _loaded(folder)
    messages = [_message(str(at), text, 1) for at, text in enumerate(json.loads(Path(events).read_text("utf-8")))]
    for message in messages[: int(warm)]:
        code.main(message)
    began = time.process_time()
    for message in messages[int(warm) :]:
        code.main(message)
    return (time.process_time() - began) / (len(messages) - int(warm)), time.perf_counter()


def filters(wanted: str, resources: str) -> None:
    """Run each filter of a file over all resources of another, once for each line on standard input."""
    some, every = json.loads(Path(resources).read_text("utf-8")), []
    for data in json.loads(Path(wanted).read_text("utf-8")):
        one = ValueFilter(data)
        one.annotate = False
        every.append(one)
    for _ in sys.stdin:
        began = time.process_time()
        chosen = [len(one.process(some)) for one in every]
        print(json.dumps([time.process_time() - began, chosen]), flush=True)


def _loaded(folder: str) -> tuple[Any, dict[str, Any]]:
    """Return the module of the function, and its binding."""
    (config,) = Path(folder).glob("*/function.json")
    (binding,) = json.loads(config.read_text("utf-8"))["bindings"]
    spec = importlib.util.spec_from_file_location("function", config.with_name("function.py"))
    assert spec is not None
    assert spec.loader is not None
    code = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(code)
    return code, binding


def _message(identity: str, text: str, tries: int | None) -> Any:
    made: Callable[..., Any] = QueueMessage
    return made(id=identity, body=text, dequeue_count=tries)


class _Kept(logging.Handler):
    """Keeps what is logged in a list."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())


if __name__ == "__main__":
    commands: dict[str, Callable[..., Any]] = {
        "cli": cli, "package": package, "function": function, "cost": cost, "filters": filters,
    }  # fmt: skip
    print(json.dumps(commands[sys.argv[1]](*sys.argv[2:])))
