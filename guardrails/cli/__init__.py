"""The command line, `python -m guardrails`: one module a command, imported when that command is asked for."""
