"""After the whole suite: the roles in infra/roles allow what the service called in it, and nothing else.

    python -m tests.permissions FOLDER

FOLDER is where the ARM stand-ins wrote the operations down (sandbox/arm/operations.py). Exit code 1: a role allows
less, or more.
"""

import json
import sys
from pathlib import Path
from typing import Final

ROLES: Final = Path(__file__).parents[1] / "infra" / "roles"
NAMES: Final = ("reader", "enforcer", "restorer")

OPTIONAL: Final = (
    "*/read", "Microsoft.Web/sites/read", "Microsoft.Insights/components/read",
    "Microsoft.OperationalInsights/workspaces/api/read",
)  # fmt: skip
"""What no role of ours has: what Resource Graph asks of who is to see tags, the built-in Reader, given with the
parameter `readTags`; and what `doctor` asks with an operator's login: the configuration of the function app, and
whether our records arrive in the workspace."""


def recorded(folder: Path) -> set[str]:
    """Return the operations in the files of a folder, in lower case."""
    return {line.lower() for path in folder.glob("*.txt") for line in path.read_text("utf-8").split()}


def allowed(role: str) -> list[str]:
    """Return the actions of a role."""
    (permission,) = json.loads((ROLES / f"{role}.json").read_text("utf-8"))["permissions"]
    return [str(action) for action in permission["actions"]]


def main(folder: Path) -> int:
    """Compare, and say what differs."""
    called = recorded(folder)
    if not called:
        print(f"permissions: no operation was recorded in {folder}; run the whole suite with make test")
        return 1
    roles = {name: allowed(name) for name in NAMES}
    every = {action.lower() for actions in roles.values() for action in (*actions, *OPTIONAL)}
    problems = [f"no role allows {one}, which the service called" for one in sorted(called - every)]
    for name, actions in roles.items():
        unused = sorted(action for action in actions if action.lower() not in called)
        problems += [f"the role {name} allows {one}, which nothing called" for one in unused]
    for problem in problems:
        print(f"permissions: {problem}")
    print(f"permissions: {len(called)} operations called, {len(every)} actions allowed, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
