"""How the tests are spread over processes: all of a file go to one, so that what they share is made once.

xdist's own `loadgroup` spreads test by test, and counts all that it has handed out whenever one is done: with 16,000
tests that takes half a minute of CPU time. A group is still a group: `pytest.mark.xdist_group`, in whatever files.
"""

from collections.abc import Sequence
from typing import Any, Final

from xdist.scheduler.loadscope import LoadScopeScheduling
from xdist.workermanage import WorkerController

LONG: Final = ("tests/battery/", "tests/end_to_end/", "tests/package/", "wheel", "package")
"""Begin the names of files and groups whose tests are few and long. They come first, so that no process waits for one
in the end."""
ALONE: Final = ("tests/battery/test_simulation.py", "tests/battery/test_matrix.py")
"""Begin the names of files whose tests are spread one by one."""


class _Indexed(list[str]):
    """The names of all tests. xdist asks for the index of each, which a plain list would search for."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(names)
        self._at = {name: at for at, name in enumerate(names)}

    def index(self, name: str, *_: Any) -> int:
        return self._at[name]


class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # which has no types
    """Hands out files, those with long tests first, then those with many. Finished files are dropped, or xdist would
    count them again after each test."""

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        super().add_node_collection(node, collection)
        if node in self.registered_collections:
            self.registered_collections[node] = _Indexed(collection)

    def _split_scope(self, nodeid: str) -> str:
        """Return the group of a test, which xdist put behind an `@`; else its file, or itself."""
        _, at, group = nodeid.rpartition("@")
        if at and "]" not in group:
            return group
        return nodeid if nodeid.startswith(ALONE) else nodeid.partition("::")[0]

    def _assign_work_unit(self, node: WorkerController) -> None:
        long = next((scope for scope in self.workqueue if scope.startswith(LONG)), None)
        if long is not None:
            self.workqueue.move_to_end(long, last=False)
        units = self.assigned_work[node]
        self.assigned_work[node] = {name: tests for name, tests in units.items() if not all(tests.values())}
        super()._assign_work_unit(node)
