"""`python -m sandbox up` keeps the sandbox running; `python -m sandbox demo` shows the main job in it."""

import argparse
import asyncio
import json
import os
import shlex
import signal
import sys
from pathlib import Path

from guardrails.cli.failure import INTERRUPTED
from sandbox import shell
from sandbox.stack import ROOT, Sandbox
from sandbox.tenant import ALICE, DEV, EPAC, PIPELINE, PIPELINE_CLIENT_ID, PROD, furnish


async def up(mode: str, folder: Path) -> None:
    """Run until Ctrl-C or SIGTERM; print the addresses as JSON when everything is there: one line of it in a pipe.

    Shells get theirs from sandbox.env in the folder; standard error says how. Who has no token of the sandbox's is
    taken for guest@contoso.com, so that any HTTP client can be pointed at it.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Sandbox(mode=mode) as sandbox:
        await furnish(sandbox)
        await sandbox.control("PUT", "guest", {"upn": "guest@contoso.com"})
        lines = shell.write(folder, sandbox.ca, sandbox.environment, sandbox.addresses)
        shown = {
            **sandbox.addresses,
            "ca": str(lines.with_name("sandbox-ca.pem")),
            "subscriptions": [PROD, DEV],
            "storage": sandbox.azurite.connection_string,
            "identities": {PIPELINE.name: PIPELINE_CLIENT_ID},
            "tokens": {actor.name: actor.token for actor in (ALICE, PIPELINE, EPAC)},
            "environment": sandbox.environment,
        }
        print(json.dumps(shown, indent=2 if sys.stdout.isatty() else None), flush=True)
        print(f"sandbox: to point the clients of a shell at it:  . {shlex.quote(str(lines))}", file=sys.stderr)
        await stop.wait()


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("command", choices=["up", "demo"])
    parser.add_argument("--mode", choices=["", "audit"], default=os.environ.get("GUARDRAILS_DEMO_MODE", ""))
    parser.add_argument(
        "--folder", type=lambda text: Path(text).absolute(), default=ROOT / "build", metavar="FOLDER",
        help="of `up`: where the files for shells go; default: build/",
    )  # fmt: skip
    arguments = parser.parse_args()
    if arguments.command == "up":
        asyncio.run(up(arguments.mode, arguments.folder))
        return 0
    from sandbox.demo import demo  # noqa: PLC0415 - it brings rich, which `up` does not need

    try:
        return asyncio.run(demo(arguments.mode))
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
