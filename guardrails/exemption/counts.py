"""Numbers with their nouns, as people read them. Pure."""


def number_of(number: int, one: str, many: str = "") -> str:
    """Return a number and what it counts: `1 exemption`, `2,000 exemptions`. `many`: the plural, where it has no s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
