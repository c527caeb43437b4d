"""What says that EPAC's answer cannot be known here. Pure."""


class Uncertain(Exception):
    """EPAC's answer is not known. The text says why, as one plain sentence without a full stop."""
