"""`python -m sandbox.host --app DIR --port N`: run one function app until SIGTERM or Ctrl-C.

Prints one JSON line with its address when it is ready. Exit codes: 0 stopped, 1 the app could not be started (why is on
standard error), 2 wrong arguments.
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NoReturn

from sandbox.host.queues import QueueListener
from sandbox.host.server import Server
from sandbox.host.settings import HostError, queue_options, read_host_json
from sandbox.host.timers import run_timer, schedule
from sandbox.host.worker import Worker
from sandbox.orphan import stop_when_orphaned

log = logging.getLogger("sandbox.host")

QUEUE, TIMER = "queueTrigger", "timerTrigger"
DRAIN = 60.0  # seconds that running functions get to finish at the end


async def serve(app: Path, port: int, lease: int) -> None:
    """Run the app until a signal.

    Raises:
        HostError: the app or its settings are wrong.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    host = read_host_json(app)
    options = queue_options(host)
    worker = await Worker.start(app)
    active = [function for function in worker.functions.values() if not function.disabled]
    listeners = [QueueListener(worker, function, options, lease) for function in active if function.kind == QUEUE]
    timers = [function for function in active if function.kind == TIMER]
    for function in timers:
        schedule(function)  # a wrong schedule fails now
    async with AsyncExitStack() as stack:
        for listener in listeners:
            stack.push_async_callback(listener.close, DRAIN)
        await asyncio.gather(*(listener.open() for listener in listeners))
        prefix = host.get("extensions", {}).get("http", {}).get("routePrefix", "api")
        runner, address = await Server(worker, prefix).listen(port)
        stack.push_async_callback(runner.cleanup)
        watch = asyncio.create_task(stop_when_orphaned(stop))
        stack.callback(watch.cancel)
        stopping = asyncio.create_task(stop.wait())
        polling = [asyncio.create_task(listener.run()) for listener in listeners]
        ticking = [asyncio.create_task(run_timer(worker, function)) for function in timers]
        print(json.dumps({"address": address, "functions": sorted(worker.functions)}), flush=True)
        ended, _ = await asyncio.wait([stopping, *polling, *ticking], return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()  # pollers and timers end only by an exception: it ends the host
        for task in ticking:
            task.cancel()
        for listener in listeners:
            listener.stop()
        await asyncio.gather(*polling)
        if not await worker.drain(DRAIN):
            log.warning("stopped while functions were still running")


def main() -> NoReturn:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.host", description="Run a function app on loopback.")
    parser.add_argument("--app", type=Path, default=Path(), help="the folder with function_app.py and host.json")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--queue-lease", type=int, default=600, help="seconds a message is hidden while in work")
    parser.add_argument("--log-level", default="WARNING", choices=["DEBUG", "INFO", "WARNING", "ERROR"])
    arguments = parser.parse_args()
    logging.basicConfig(level=arguments.log_level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    code = 0
    try:
        asyncio.run(serve(arguments.app.resolve(), arguments.port, arguments.queue_lease))
    except HostError as error:
        print(f"host: {error}", file=sys.stderr)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # A worker is killed, not unwound, by the real host: what the app left open is not complained about.
    os._exit(code)


if __name__ == "__main__":
    main()
