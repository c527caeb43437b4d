"""Where the recorded answers of Microsoft's compiler and engine are, and the subscription that the engine was given."""

from typing import Final

from tests.reference import REAL

FOLDER: Final = REAL / "oracles" / "bicep"
SUBSCRIPTION: Final = "/subscriptions/11111111-2222-3333-4444-555555555555"
