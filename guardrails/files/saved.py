"""Files that `check` is given and that hold objects which were saved from Azure: which command takes them. Pure."""

import shlex

from guardrails.exemption.sources import REST
from guardrails.files.arm_json import read_bytes
from guardrails.files.exemptions import sources_of
from guardrails.files.tree import plain_bytes

_EXEMPTION = "/providers/microsoft.authorization/policyexemptions/"
_PLAIN = "Azure Resource Manager"


def holds_exemptions(data: bytes) -> bool:
    """Whether bytes look like exemptions that were saved from Azure."""
    text = plain_bytes(data).lower()
    return b"policyexemptions/" in text and b"policyassignmentid" in text


def command_for(data: bytes, path: str) -> str:
    """Return what a file is that holds no code, and the command that takes it; "" where nobody knows.

    `path`: as a command would name it.
    """
    reading = read_bytes(data, path)
    items = [one for one in reading.items if _EXEMPTION in _identity(one.body)]
    if items:
        names = dict.fromkeys(_PLAIN if one is REST else one.name for one in sources_of(items))
        return (
            f"this is no code, but exemptions as {' and '.join(names)} gives them; judge them with"
            f" `exg judge {shlex.quote(path)}`"
        )
    if b"policyassignmentid" in plain_bytes(data).lower():
        return f"this is no code; if it is exemptions that were saved from Azure, use `exg judge {shlex.quote(path)}`"
    if any("/providers/microsoft.authorization/policy" in _identity(one.body) for one in reading.items):
        return "this is no code, but objects of Azure; give them with --azure"
    return ""


def _identity(body: object) -> str:
    folded = {str(key).lower(): value for key, value in body.items()} if hasattr(body, "items") else {}
    return next((str(folded[name]).lower() for name in ("id", "resourceid") if folded.get(name)), "")
