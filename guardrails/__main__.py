"""python -m guardrails COMMAND: judge files, explain rules, look into the register, undo reverts."""

import sys

if __name__ == "__main__":
    try:
        from guardrails.cli.main import main
    except Exception as error:  # noqa: BLE001 - an older Python, a file that is missing: 1 would be an answer
        sys.stderr.write("guardrails: the program cannot start, for it needs Python 3.13 and all of its files: ")
        sys.stderr.write(" ".join(f"{type(error).__name__}: {error}".split()) + "\n")
        sys.exit(2)
    sys.exit(main())
