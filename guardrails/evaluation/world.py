"""What is known of the place and time of a deployment. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from guardrails.dataclass import dataclass, field


@dataclass(frozen=True, slots=True)
class World:
    """Where and when a template is deployed. None: not known, and so is all that depends on it.

    Attributes:
        scope: the id that the template is deployed to: `/` for the tenant, `/subscriptions/...` and so on.
        tenant: the tenant's id, a GUID.
        location: Azure's region of the resource group, or of the deployment where it goes to another scope.
        deployment_name: `deployment().name`.
        now: the time of the deployment, which utcNow() gives.
        objects: objects of Azure as Resource Manager returns them, by id in lower case.
    """

    scope: str | None = None
    tenant: str | None = None
    location: str | None = None
    deployment_name: str | None = None
    now: datetime | None = None
    objects: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
