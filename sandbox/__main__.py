"""`python -m sandbox up` keeps the sandbox running; `python -m sandbox demo` shows the main job in it."""

import argparse
import asyncio
import json
import os
import signal
import sys

from sandbox.stack import Sandbox
from sandbox.tenant import DEV, PROD, furnish


async def up(mode: str) -> None:
    """Run until Ctrl-C or SIGTERM; print the addresses as JSON when everything is there."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Sandbox(mode=mode) as sandbox:
        await furnish(sandbox)
        shown = {**sandbox.addresses, "subscriptions": [PROD, DEV], "storage": sandbox.azurite.connection_string}
        print(json.dumps({**shown, "environment": sandbox.environment}, indent=2), flush=True)
        await stop.wait()


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("command", choices=["up", "demo"])
    parser.add_argument("--mode", choices=["", "audit"], default=os.environ.get("GUARDRAILS_DEMO_MODE", ""))
    arguments = parser.parse_args()
    if arguments.command == "up":
        asyncio.run(up(arguments.mode))
        return 0
    from sandbox.demo import demo  # noqa: PLC0415 - it brings rich, which `up` does not need

    return asyncio.run(demo(arguments.mode))


if __name__ == "__main__":
    sys.exit(main())
