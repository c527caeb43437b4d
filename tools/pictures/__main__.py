"""`make pictures`: check the card of every kind by the official renderer, and draw it for a phone and for a desktop.

And draw the scan's page: light, dark, on a phone and on paper.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from guardrails.channels.teams import card
from guardrails.notices.notice import Kind

from . import browser
from .png import smaller
from .samples import reminders, sample
from .scan import shots

WIDTHS: Final[Mapping[str, int]] = {"phone": 360, "desktop": 720}
"""CSS pixels, with a margin of 12 on each side."""

_HERE: Final = Path(__file__).parent
_FOLDER: Final = _HERE.parents[1] / "docs" / "pictures"
_PAGE: Final = (_HERE / "page.html").resolve().as_uri()
_RENDERER: Final = _HERE / "node_modules" / "adaptivecards" / "dist" / "adaptivecards.min.js"


def cards() -> dict[str, dict[str, Any]]:
    """Return the cards to draw, by the name of their picture."""
    found = {str(kind): card(sample(kind)) for kind in Kind}
    people = [("Jo Doe", "87d349ed-44d7-43e1-9a83-5f2406dee5bd")]
    more = {"owner-addressed": card(sample(Kind.VIOLATION), mentions=people), "digest-of-reminders": card(reminders())}
    return found | more


async def draw(program: str) -> list[str]:
    """Write the pictures; return what the renderer has against a card, one line each."""
    problems: list[str] = []
    _FOLDER.mkdir(parents=True, exist_ok=True)
    async with browser.tab(program) as tab:
        await tab.open(_PAGE)
        for size, width in WIDTHS.items():
            await tab.command(
                "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False
            )
            for name, content in cards().items():
                drawn = await tab.evaluate(f"draw({json.dumps(content)}, {width})")
                problems += [f"{name}, {size}: {problem}" for problem in drawn["problems"]]
                if drawn["width"] > width:
                    problems.append(f"{name}, {size}: {drawn['width']} pixels wide where {width} are there")
                picture = smaller(await tab.picture(width, drawn["height"]))
                (_FOLDER / f"{name}-{size}.png").write_bytes(picture)
                print(f"{name}-{size}.png  {width} x {drawn['height']}  {len(picture)} bytes")
        for name, picture in (await shots(tab)).items():
            (_FOLDER / f"{name}.png").write_bytes(picture)
            print(f"{name}.png  {len(picture)} bytes")
    return problems


def main() -> int:
    """Return the exit code."""
    program = browser.find()
    if program is None:
        missing = f"no {', '.join(browser.NAMES)} on the PATH"
        print(f"pictures: {missing}. Install one (Debian: apt-get install chromium) or name it: CHROMIUM=PATH.")
        return 1
    if not _RENDERER.exists():
        print("pictures: the renderer is not installed. Run: make pictures")
        return 1
    problems = asyncio.run(draw(program))
    print("\n".join(problems) or "Every card is valid for the official renderer.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
