"""The ruleset's routes, resolved with the app's settings. Pure."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from guardrails.channels.destination import ANYWHERE_PUBLIC, Destination
from guardrails.channels.egress_guard import Bounds
from guardrails.channels.webhook import split_secrets


class Route(Protocol):
    """What the ruleset says of where a route leads. Which notices it takes matters to the sender only."""

    @property
    def name(self) -> str:
        """The route's name, unique in the ruleset."""

    @property
    def channel(self) -> str:
        """The channel: teams, slack, webhook or eventgrid."""

    @property
    def address_setting(self) -> str:
        """The name of the app setting that holds the address."""

    @property
    def secret_setting(self) -> str:
        """The name of the app setting that holds the signing secrets; "" for all but webhooks."""


def destinations(routes: Iterable[Route], environ: Mapping[str, str]) -> dict[str, Destination]:
    """Return a destination for every route, by name; one whose settings are missing or wrong says so in `problem()`."""
    return {route.name: _destination(route, environ) for route in routes}


def problems(found: Mapping[str, Destination], bounds: Bounds = ANYWHERE_PUBLIC) -> list[str]:
    """Return one line for each route that cannot deliver, naming the route and the setting, never a value."""
    lines = (destination.problem(bounds) for destination in found.values())
    return [line for line in lines if line]


def _destination(route: Route, environ: Mapping[str, str]) -> Destination:
    return Destination(
        name=route.name,
        channel=route.channel,
        address=environ.get(route.address_setting, "").strip() if route.address_setting else "",
        secrets=split_secrets(environ.get(route.secret_setting, "")) if route.secret_setting else (),
        address_setting=route.address_setting,
        secret_setting=route.secret_setting,
    )
