"""python -m guardrails COMMAND: judge files, explain rules, look into the register, undo reverts."""

import sys

from guardrails.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
