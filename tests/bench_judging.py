"""Judging: processor time for 1,000 exemptions from parsed JSON to findings, all rules on, half of them compliant.

Run by path for another build, with that build's folder in PYTHONPATH, and with `python -P`, or the folder of this file
would come first: a line on standard input has it judge once, and print the seconds. It uses nothing of `tests`.
"""

import json
import sys
import time
from typing import Any, Final

from guardrails.decisions.assess import assess
from guardrails.exemption.model import Exemption
from guardrails.rules.sample import BODY, FACTS
from guardrails.ruleset.model import Ruleset, load_ruleset

COUNT: Final = 1000


def bodies() -> list[Any]:
    """Return the exemptions, each as it comes from a request."""
    found = []
    for number in range(COUNT):
        properties = {**BODY["properties"]}
        if number % 2:
            properties.pop(("expiresOn", "metadata", "description")[number % 3])
        text = json.dumps({**BODY, "id": BODY["id"] + str(number), "properties": properties})
        found.append(json.loads(text))
    return found


def judged_in(some: list[Any], ruleset: Ruleset) -> float:
    """Judge exemptions; return the seconds of the processor."""
    started = time.process_time()
    for body in some:
        assess(Exemption.from_arm(body, ruleset.names), FACTS, ruleset)
    return time.process_time() - started


if __name__ == "__main__":
    exemptions, rules = bodies(), load_ruleset()
    for _ in sys.stdin:
        print(json.dumps([judged_in(exemptions, rules), COUNT, 0]), flush=True)
