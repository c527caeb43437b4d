"""The functions of templates, one table for both languages. Pure.

`FUNCTIONS` has those that need nothing but their arguments. Those that read the deployment (`resourceId`, `utcNow`)
are in `deployment.py`, and those that take lambdas in `lambdas.py`; both are given the evaluator's view.
"""

from guardrails.evaluation.functions import cidr, comparing, dates, hashes, lists, numbers, objects, texts
from guardrails.evaluation.functions.base import FUNCTIONS, MANY, Function, unsure

__all__ = [
    "FUNCTIONS", "MANY", "Function", "cidr", "comparing", "dates", "hashes", "lists", "numbers", "objects", "texts",
    "unsure",
]  # fmt: skip
