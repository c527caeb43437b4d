"""`replace`: a copy of a frozen dataclass with some fields changed.

It is copy.replace, which lets a class copy itself in a cheaper way than by running its __init__: see Row.__replace__.
mypy takes it for dataclasses.replace, of which it checks the names and types of the fields that change.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import replace
else:
    from copy import replace

__all__ = ["replace"]
