"""What has become of an exemption. Apart from its row, which takes long to import: who judges files has none."""

from enum import StrEnum


class Status(StrEnum):
    """The status of an exemption."""

    COMPLIANT = "compliant"
    VIOLATION = "violation"
    UNKNOWN = "unknown"
    EXCLUDED = "excluded"
    CANNOT_ACT = "cannot-act"
    LOST = "lost"
    GONE = "gone"
