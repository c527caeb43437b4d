"""What happens in histories, and in how many: an act, fault, event or status that never does is a hole.

python -m tests.battery run 0 300 --coverage    in how many of these seeds each happens, the rarest first
"""

import ast
import inspect
from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

import guardrails
from guardrails.decisions.row import Status
from guardrails.notices.notice import Kind
from guardrails.reconcile import act
from tests.battery import faults, rulesets
from tests.battery.worker import port_methods

if TYPE_CHECKING:
    from tests.battery.invariants import End

ELSEWHERE: Final = {
    "notice: bypass-found": "no history has a bypass: tests/sweep/test_bypasses.py, and the crash matrix",
    "port: Arm.enrollments": "no history has an enrollment: tests/sweep/test_enrollments.py, and the crash matrix",
    "port: Bypasses.forget": "no history has a bypass",
    "port: Bypasses.mark_gone": "no history has a bypass",
    "port: Bypasses.write": "no history has a bypass",
}
"""What no history is to show, and why."""


def of(end: "End") -> set[str]:
    """Return what the register, the routes and the ports show of a history at its end."""
    entries = [entry for some in end.history.values() for entry in some]
    found = {f"event: {entry.event}" for entry in entries}
    found |= {f"status: {entry.row.get('status')}" for entry in entries}
    found |= {f"notice: {notice.kind}" for _, _, notice in end.cloud.delivered}
    return found | {f"port: {port}" for one in end.cloud.workers for port, _ in one.requests if port}


def known() -> set[str]:
    """Return all that may happen, as far as it is listed somewhere: acts, stories, faults, and what the product has."""
    from tests.battery.acts import People  # noqa: PLC0415 - it counts by this module
    from tests.battery.azure import Cloud  # noqa: PLC0415
    from tests.battery.loop import VirtualLoop, run  # noqa: PLC0415
    from tests.battery.operators import WEIGHTS  # noqa: PLC0415

    async def born(loop: VirtualLoop) -> People:
        chance = Random(0)  # noqa: S311
        return People(Cloud(loop, chance, rulesets.some(chance)), chance)

    people = run(0, born)
    found = {f"act: {act.__name__.strip('_')}" for act, _ in people.acts()}
    found |= {f"story: {tale.__name__.strip('_')}" for tale in people.tales()}
    found |= {f"operation: {what}" for what in WEIGHTS}
    makers = [make for one in faults.TABLE for kind in one.kinds for make, _ in one.faults(kind)]
    found |= {f"fault: {make().name}" for make in makers}
    found |= {f"status: {one}" for one in Status} | {f"notice: {one}" for one in Kind}
    found |= {f"port: {port}.{method}" for port, methods in port_methods().items() for method in methods}
    return found | {f"event: {one}" for one in (*_events(), *act.EVENTS.values())}


def _events() -> set[str]:
    """Return the events of history that the product's code names: the first argument of each `entry_for`."""
    found = set[str]()
    for path in Path(inspect.getfile(guardrails)).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "entry_for":
                values = (one.value for one in ast.walk(node.args[0]) if isinstance(one, ast.Constant))
                found |= {one for one in values if isinstance(one, str)}
    return found


def table(happened: Counter[str], seeds: int) -> list[str]:
    """Return a line for each thing that may happen: in how many of the seeds it does, the rarest first."""
    names = known() | happened.keys()
    lines = []
    for name in sorted(names, key=lambda name: (happened[name], name)):
        why = f"    ({ELSEWHERE[name]})" if name in ELSEWHERE else ""
        lines.append(f"{happened[name]:8,}  {happened[name] / max(seeds, 1):6.1%}  {name}{why}")
    return lines
