"""What makes Azure refuse a write, and the days on which the service tries again."""

from typing import Any

from sandbox import tenant
from tests.reconcile.world import World

DELETE = "Microsoft.Authorization/policyExemptions/delete"
WRITE = "Microsoft.Authorization/policyExemptions/write"
US = "0d5f2a52-0000-4000-8000-00000000f00d"


def lock(world: World) -> None:
    world.arm.lock(tenant.GROUP, "CanNotDelete")


def deny(world: World) -> None:
    world.deny(DELETE, WRITE)


def no_role(world: World) -> None:
    reader = [{"scope": "/", "actions": ["*/read"]}]
    world.arm.control._put_permissions({US: [{**one, "scope": ""} for one in reader]})


def no_exempt_action(world: World) -> None:
    """Enough to write exemptions, but not exempt/action on the assignment, which a put needs too."""
    world.arm.control._put_permissions({US: [{"scope": "", "actions": ["*/read", "*/policyExemptions/*"]}]})


async def days(world: World, one: Any, count: int, source: str = "wake-up") -> list[int]:
    """Look each hour for so many days; return the days, counted from here, on which something was tried."""
    tried, began = list[int](), world.clock.time
    for _ in range(24 * count):
        world.clock.advance(hours=1)
        before = world.writes()
        await world.look(one, source)
        if world.writes() > before:
            tried.append((world.clock.time - began).days)
    return tried
