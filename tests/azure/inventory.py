"""The inventory adapter in front of the ARM stand-in, and a sleep that only takes notes."""

from collections.abc import Callable, Mapping
from typing import Any

from azure.core.credentials_async import AsyncTokenCredential

from guardrails.azure.graph import Graph
from guardrails.ports import Page
from sandbox.cloud import Cloud
from tests.clock import VirtualClock
from tests.sandbox.conftest import CORP, GROUP, SUBSCRIPTION, VAULT, exemption, exemption_id

LEVELS = (CORP, SUBSCRIPTION, GROUP, VAULT)


class Sleep:
    """Waits no time; keeps what was asked for in seconds, and then does `then`."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.then: Callable[[], object] = lambda: None

    async def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.then()


type MakeGraph = Callable[..., Graph]


def make(cloud: Cloud, credential: AsyncTokenCredential, clock: VirtualClock, sleep: Sleep, **more: Any) -> Graph:
    return Graph(
        cloud.addresses["arm"], credential, clock, audience="https://management.azure.com", sleep=sleep, **more
    )


def seed(cloud: Cloud, count: int, scope: str = GROUP) -> list[str]:
    """Put exemptions e000, e001 ... in place; return their ids."""
    return [cloud.arm.seed(exemption_id(scope, f"e{n:03}"), exemption()) for n in range(count)]


def trouble(cloud: Cloud, **values: Any) -> None:
    cloud.arm.control._put_graph(values)


def fail(cloud: Cloud, **values: Any) -> None:
    cloud.arm.control._post_faults({"path": "ResourceGraph", "message": "as answered"} | values)


async def pages(graph: Graph) -> list[Page]:
    return [page async for page in graph.exemptions()]


def rows(found: list[Page]) -> list[Mapping[str, Any]]:
    return [row for page in found for row in page.rows]


def ids(found: list[Page]) -> list[str]:
    return [row["id"] for row in rows(found)]


def missing(found: list[Page]) -> list[str]:
    return [page.missing for page in found if page.missing]


def asked(cloud: Cloud) -> int:
    """How many requests Resource Graph answered."""
    return cloud.arm.log.counts["POST resourceGraph"]


def statuses(cloud: Cloud) -> list[int]:
    return [seen.status for seen in cloud.arm.log.requests]
