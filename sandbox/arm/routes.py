"""Requests that are about no single resource: each has a path of its own, one method, and a name."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_SUBSCRIPTION: Final = r"(?P<scope>/subscriptions/[^/]+)"
_CONTAINER: Final = r"(?P<scope>/subscriptions/[^/]+|/providers/Microsoft\.Management/managementGroups/[^/]+)"
_NAMESPACE: Final = r"/providers/(?P<rest>[^/]+)"
_POLICY: Final = "/providers/Microsoft\\.Authorization/"
_VERSIONS: Final = r"list(?P<rest>Policy(?:Set)?Definition)Versions"
ROUTES: Final = tuple(
    (method, noun, re.compile(pattern + "/?", re.IGNORECASE))
    for method, noun, pattern in (
        ("GET", "metadata", "/metadata/endpoints"),
        ("GET", "tenants", "/tenants"),
        ("POST", "resourceGraph", r"/providers/Microsoft\.ResourceGraph/resources"),
        ("GET", "provider", _NAMESPACE),
        ("GET", "provider", _SUBSCRIPTION + _NAMESPACE),
        ("GET", "providers", _SUBSCRIPTION + "/providers"),
        ("GET", "activityLog", _SUBSCRIPTION + r"/providers/Microsoft\.Insights/eventTypes/management/values"),
        ("POST", "acquirePolicyToken", _CONTAINER + _POLICY + "acquirePolicyToken"),
        ("POST", "listVersions", f"(?:{_CONTAINER})?{_POLICY}{_VERSIONS}"),
    )
)


@dataclass(frozen=True, slots=True)
class Route:
    """What a path asks for, where (a subscription or management group, "" for the tenant), and what of it."""

    method: str
    noun: str
    scope: str = ""
    rest: str = ""

    @property
    def name(self) -> str:
        return f"{self.method} {self.noun}"


@lru_cache(maxsize=8192)
def find(path: str) -> Route | None:
    """Return the route of a path; None where it is a resource's, or a list of resources."""
    for method, noun, pattern in ROUTES:
        if found := pattern.fullmatch(path):
            return Route(method, noun, **{key: value for key, value in found.groupdict().items() if value})
    return None
