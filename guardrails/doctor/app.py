"""The function app that is ours, by its resource id. Pure."""

import re
from collections.abc import Mapping
from typing import Final, Self

from guardrails.dataclass import dataclass
from guardrails.lazy_regex import lazy_regex

_SITE: Final = lazy_regex(
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)/providers/Microsoft\.Web/sites/"
    r"(?P<name>[^/]+)(/functions/(?P<function>[^/]+))?/?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class FunctionApp:
    """A function app; `group` is "" where it is not known. Names of apps are unique within a subscription at least."""

    subscription: str
    group: str
    name: str

    @classmethod
    def parse(cls, identity: str) -> Self | None:
        """Return the app of a resource id; None for what is not one."""
        found = _SITE.fullmatch(identity.strip())
        if not found or found["function"]:
            return None
        return cls(found["subscription"].lower(), found["group"].lower(), found["name"].lower())

    @classmethod
    def running(cls, environ: Mapping[str, str]) -> Self | None:
        """Return the app that this process runs in, by the environment variables of App Service; None elsewhere.

        Source: Microsoft Learn, "Environment variables and app settings in Azure App Service".
        WEBSITE_OWNER_NAME begins with the subscription's id and a plus sign.
        """
        name = environ.get("WEBSITE_SITE_NAME", "")
        subscription, plus, _ = environ.get("WEBSITE_OWNER_NAME", "").partition("+")
        if not (name and subscription and plus):
            return None
        return cls(subscription.lower(), environ.get("WEBSITE_RESOURCE_GROUP", "").lower(), name.lower())

    @property
    def id(self) -> str:
        """The resource id, in lower case but for its fixed parts; only where the group is known."""
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
        return f"{group}/providers/Microsoft.Web/sites/{self.name}"

    def owns(self, function_id: str) -> bool:
        """Whether a function, by its resource id, is one of this app."""
        found = _SITE.fullmatch(function_id.strip())
        if not found:
            return False
        same = (found["subscription"].lower(), found["name"].lower()) == (self.subscription, self.name)
        return same and self.group in ("", found["group"].lower())


def function_of(function_id: str) -> str:
    """Return the function's name in a resource id, in lower case; "" where it is not a function's."""
    found = _SITE.fullmatch(function_id.strip())
    return (found["function"] or "").lower() if found else ""
