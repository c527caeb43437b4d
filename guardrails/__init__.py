"""Guardrails for Azure Policy exemptions."""

import sys

__version__ = "0.1.0"

PYTHON = (3, 13)
"""The version of Python that this is tested with, and the oldest that it runs on: major, minor."""

if sys.version_info < PYTHON:  # older ones read this file, __main__.py and function_app.py, and nothing else of ours
    _FOUND, _WANTED = (".".join(map(str, version)) for version in (sys.version_info[:3], PYTHON))
    _WRONG = f"guardrails needs Python {_WANTED} or later, and this is {_FOUND}."
    if sys.argv[:1] == ["-m"]:  # `exg` is looking for it, and would show a traceback
        sys.stderr.write(f"{_WRONG} Start it with python{_WANTED}, or with `uvx --from . exg`, which fetches that.\n")
        sys.exit(2)
    raise ImportError(f"{_WRONG} In Azure: docs/deploy.md#the-interpreter")
