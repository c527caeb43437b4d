"""The JSON that cells of a table hold. Pure."""

from typing import Any

from guardrails.epac.instants import Runner, json_date
from guardrails.epac.rows import Cells
from guardrails.files.epac_json import read_value


class JsonCells(Cells):
    """Reads cells as PowerShell does."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def read(self, text: str) -> Any:
        """Return the value of a cell."""
        return read_value(text, lambda plain: json_date(plain, self._runner))
