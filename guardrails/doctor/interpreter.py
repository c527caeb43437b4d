"""Which Python runs the service: this one, and the one that the function app's configuration names.

Azure builds and runs a package with a version that need not be the one that the app asks for (Azure/azure-dev, issue
8538), so the start-up check logs the version that it runs on. Elsewhere the doctor reads the site's configuration, and
what the last start wrote into the log (guardrails/doctor/logs.py). Which version will do is decided here.
"""

import re
import sys
from collections.abc import Mapping
from typing import Any, Final

from guardrails import PYTHON
from guardrails.doctor.model import Finding, failed, passed, unknown
from guardrails.doctor.world import World
from guardrails.exemption.facts import Unread

SITES_VERSION: Final = "2024-04-01"
"""The first api-version of Microsoft.Web/sites with `functionAppConfig`."""

_WANTED: Final = ".".join(map(str, PYTHON))
_GUIDE: Final = "docs/deploy.md#the-interpreter"
_SET: Final = f"Set pythonVersion to {_WANTED} (infra/main.bicep), deploy host and code again: {_GUIDE}"
_NAME: Final = "Name the function app with --function-app ID, or in the setting GUARDRAILS_FUNCTION_APP_ID"
_APP: Final = "function app"


async def interpreters(world: World) -> list[Finding]:
    """The Python that this runs on; elsewhere than in the function app, the one of its configuration too."""
    here = judged(".".join(map(str, sys.version_info[:3])), "Python")
    return [here] if world.hosted else [here, await _of_site(world)]


def judged(version: str, about: str) -> Finding:
    """Say what becomes of us on a version of Python: older ones cannot read the code, newer ones are not tested."""
    parts = re.match(r"(\d+)\.(\d+)", version)
    number = (int(parts[1]), int(parts[2])) if parts else None
    if number is None:
        return unknown(f"{version} is not a known version of Python", _SET, about=about)
    if number < PYTHON:
        return failed(f"{version}, older than {_WANTED}", _SET, about=about)
    if number > PYTHON:
        return unknown(f"{version}, newer than {_WANTED}, the tested version", _SET, about=about)
    return passed(version, about=about)


async def _of_site(world: World) -> Finding:
    """Return what the configuration of the site says, read with the login of who asks."""
    app = world.app
    if app is None or not app.group:
        return unknown("the function app is unknown, so its Python is unknown too", _NAME, about=_APP)
    site = await world.estate.resource(app.id, SITES_VERSION)
    if isinstance(site, Unread):
        remediation = f"Use a login that may read {app.id}: {_GUIDE}"
        return unknown(f"its configuration cannot be read: {site.reason}", remediation, about=_APP)
    runtime = _runtime(site)
    name, version = str(runtime.get("name") or ""), str(runtime.get("version") or "")
    if not (name and version):
        return unknown("its configuration names no runtime", f"Look at functionAppConfig: {_GUIDE}", about=_APP)
    if name.lower() != "python":
        return failed(f"it runs {name} {version}, not Python", _SET, about=_APP)
    return judged(version, _APP)


def _runtime(site: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = site
    for key in ("properties", "functionAppConfig", "runtime"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}
