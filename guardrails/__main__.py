"""The command line, as `exg` or `python -m guardrails`: judge files, explain rules, look into the register."""

import gc
import sys


def start() -> int:
    """Run the command that the arguments name; return its exit code. Raises SystemExit as argparse does."""
    gc.set_threshold(100_000)  # objects: a start alone makes so many, and none is garbage
    try:
        from guardrails.cli.main import main  # noqa: PLC0415 - an import that fails is said in one line
    except Exception as error:  # noqa: BLE001 - a file or a package that is missing: 1 would be an answer
        sys.stderr.write("guardrails: the program cannot start, for it needs Python 3.13 and all of its files: ")
        sys.stderr.write(" ".join(f"{type(error).__name__}: {error}".split()) + "\n")
        return 2
    try:
        return main()
    finally:
        gc.freeze()  # so that the interpreter's last collections do not go through it all


if __name__ == "__main__":
    sys.exit(start())
