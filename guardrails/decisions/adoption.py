"""Adoption: what was there before the guardrails is reported, and not reverted. Pure."""

from datetime import datetime


def was_before(written: datetime | None, since: datetime | None) -> bool:
    """Whether an exemption that the register does not know was there before the guardrails.

    Args:
        written: when it was written last, UTC. Where that is unknown it was there before, for nothing unknown is a
            reason to revert.
        since: from when on the guardrails saw everything in its container, UTC; None where nobody says so.
    """
    return since is not None and (written is None or written < since)
