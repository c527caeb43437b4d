"""What tests need of the machine. Without it they are skipped, and say so; with CI in the environment they fail.

`.ci/run` installs what is named here. Whoever runs the tests at home may not want a browser for them.
"""

import os
import shutil
from typing import NoReturn

import pytest

from tools.pictures import browser


def missing(what: str) -> NoReturn:
    """End the test that runs, for want of something: skipped, or in CI failed."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}; in CI that is no reason to skip a test", pytrace=False)
    pytest.skip(what)


def program(name: str) -> str:
    """Return the path of a program."""
    return shutil.which(name) or missing(f"this machine has no {name}")


def chromium() -> str:
    """Return the path of a Chromium, by any of its names."""
    return browser.find() or missing("this machine has no Chromium")
