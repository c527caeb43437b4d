"""How notices and findings are spelled where they are stored: rows, histories, queue messages. Pure.

What is stored keeps the names that it was first written with: each version reads what another one wrote, and the hashes
of histories stay as they are. In memory and in all output the names are those of docs/glossary.md.
"""

from collections.abc import Mapping
from typing import Any, Final

from guardrails.notices.renames import inverse, renamed

FINDING: Final = {"remediation": "mend"}  # stored name
"""Of a finding: a name of today -> the one that is stored."""

NOTICE: Final = {
    "findings.remediation": "mend",  # stored name
    "digest.bypasses": "ways",  # stored name
}
"""Of a notice."""

BYPASS_NOTICE: Final = NOTICE | {"findings.evidence.kind": "way"}  # stored name
"""Of a notice about bypasses."""


def stored_finding(finding: Mapping[str, Any]) -> dict[str, Any]:
    """Return a finding's JSON form as it is stored."""
    return dict(renamed(finding, FINDING))


def stored_notice(notice: Mapping[str, Any]) -> dict[str, Any]:
    """Return a notice's JSON form as it is stored."""
    return dict(renamed(notice, _of(notice)))


def current_notice(notice: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored notice's JSON form with the names of today; one that has them already is as it was."""
    return dict(renamed(notice, inverse(_of(notice))))


def _of(notice: Mapping[str, Any]) -> Mapping[str, str]:
    return BYPASS_NOTICE if notice.get("kind") == "bypass-found" else NOTICE
