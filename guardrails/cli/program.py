"""The name of the program as it was started: usage, errors and hints show commands as the reader has to type them."""

import sys
from pathlib import PurePath
from typing import Final

from guardrails.lazy_regex import lazy_regex

SCRIPT: Final = "exg"
"""The console script of the installed package: texts of the product spell commands with it."""

MODULE: Final = "python -m guardrails"
"""How it is started from source."""

_COMMAND: Final = lazy_regex(rf"\b{SCRIPT}(?= [a-z-])")


def is_script() -> bool:
    """Return whether the console script was started."""
    return PurePath(sys.argv[0]).stem == SCRIPT


def program() -> str:
    """Return the name with which the program was started."""
    return SCRIPT if is_script() else MODULE


def named(text: str) -> str:
    """Return a text of the product, with the commands in it spelled by the name with which it was started."""
    return text if is_script() else _COMMAND.sub(MODULE, text)


def missing(package: str) -> str:
    """Return what to say of a package that is not installed."""
    how = "install exemption-guardrails again" if is_script() else "pip install -r requirements-cli.txt"
    return f"the package {package} is missing: {how}"
