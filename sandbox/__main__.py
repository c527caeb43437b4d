"""`python -m sandbox up` keeps the sandbox running; `python -m sandbox demo` shows the main job in it."""

import argparse
import asyncio
import json
import os
import signal
import sys

from sandbox.stack import Sandbox
from sandbox.tenant import ALICE, DEV, EPAC, PIPELINE, PROD, furnish


async def up(mode: str) -> None:
    """Run until Ctrl-C or SIGTERM; print the addresses as JSON when everything is there: one line of it in a pipe.

    Who has no token of the sandbox's is taken for guest@contoso.com, so that any HTTP client can be pointed at it.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Sandbox(mode=mode) as sandbox:
        await furnish(sandbox)
        await sandbox.control("PUT", "guest", {"upn": "guest@contoso.com"})
        shown = {
            **sandbox.addresses,
            "subscriptions": [PROD, DEV],
            "storage": sandbox.azurite.connection_string,
            "tokens": {actor.name: actor.token for actor in (ALICE, PIPELINE, EPAC)},
            "environment": sandbox.environment,
        }
        print(json.dumps(shown, indent=2 if sys.stdout.isatty() else None), flush=True)
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
