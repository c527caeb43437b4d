"""The functions of templates, one table for both languages. Pure.

A function's module is loaded when the function is first called. `find` gives those that need nothing but their
arguments. Those that read the deployment (`resourceId`, `utcNow`) are in `deployment.py`, and those that take lambdas
in `lambdas.py`; both are given the evaluator's view.
"""

from importlib import import_module
from typing import Final

from guardrails.evaluation.functions.base import FUNCTIONS, Function

MODULES: Final[dict[str, tuple[str, ...]]] = {
    module: tuple(names.split())
    for module, names in {
        "cidr": "parseCidr cidrSubnet cidrHost",
        "comparing": "equals less lessOrEquals greater greaterOrEquals not true false null empty contains and or",
        "dates": "dateTimeAdd dateTimeToEpoch dateTimeFromEpoch",
        "deployment": """
            utcNow newGuid deployment subscription resourceGroup managementGroup tenant resourceId
            subscriptionResourceId tenantResourceId managementGroupResourceId extensionResourceId reference
            resourceInfo environment deployer providers pickZones references roleDefinitions toLogicalZone
            toLogicalZones toPhysicalZone toPhysicalZones getSecret externalInput externalInputs
        """,
        "encodings": """
            base64 base64ToString base64ToJson json dataUri dataUriToString uriComponent uriComponentToString
            uri
        """,
        "formatting": "string format",
        "hashes": "guid uniqueString",
        "lambdas": "map filter reduce mapValues toObject groupBy sort",
        "lists": """
            createArray array length first last skip take indexOf lastIndexOf flatten union intersection
            distinct
        """,
        "numbers": "add sub mul div mod min max int float bool range",
        "objects": "createObject items objectKeys shallowMerge tryGet tryIndexFromEnd indexFromEnd",
        "texts": "toLower toUpper trim startsWith endsWith replace split join substring padLeft concat",
    }.items()
}
"""The functions by module, as Microsoft writes them."""
_HOMES: Final = {name.lower(): module for module, names in MODULES.items() for name in names}


def find(name: str) -> Function | None:
    """Return a function that needs nothing but its arguments, by its name in lower case; None where there is none."""
    found = FUNCTIONS.get(name)
    if found is None and name in _HOMES:
        load(_HOMES[name])
        found = FUNCTIONS.get(name)
    return found


def load(module: str) -> None:
    """Load a module, so that its functions are in their table."""
    import_module(f"{__name__}.{module}")
