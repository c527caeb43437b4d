"""Guardrails for Azure Policy exemptions."""

import sys

__version__ = "0.1.0"

PYTHON = (3, 13)
"""The version of Python that this is tested with, and the oldest that it runs on: major, minor."""

if sys.version_info < PYTHON:  # older ones read this file and function_app.py, and nothing else of ours
    _FOUND, _WANTED = (".".join(map(str, version)) for version in (sys.version_info[:3], PYTHON))
    raise ImportError(
        f"guardrails needs Python {_WANTED} or later, and this is {_FOUND}. In Azure: docs/deploy.md#the-interpreter"
    )
