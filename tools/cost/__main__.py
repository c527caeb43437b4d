"""Write docs/cost.md from counts.json and prices.json.

python -m tools.cost            write the page
python -m tools.cost --check    say whether it is fresh; exit 1 if it is not
python -m tools.cost count      count again first, in the sandbox: some minutes; `count 1000` sweeps no other size
"""

import asyncio
import json
import sys

from tools.cost.model import COUNTS, Data
from tools.cost.page import PAGE, render


def main(argv: list[str]) -> int:
    """Do what the arguments say."""
    if argv[:1] not in ([], ["--check"], ["count"]):
        print(__doc__)
        return 0 if argv[0] in ("-h", "--help") else 2
    if argv[:1] == ["count"]:
        from tools.cost import count  # noqa: PLC0415 - it starts the sandbox; the page needs none

        sizes = [int(size) for size in argv[1:]] or list(count.SIZES)
        counts = asyncio.run(count.everything(sizes, json.loads(COUNTS.read_text()) if COUNTS.exists() else {}))
        COUNTS.write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")
    text = render(Data.read())
    if "--check" in argv:
        if PAGE.read_text(encoding="utf-8") != text:
            print(
                "docs/cost.md is not what `python -m tools.cost` makes of counts.json and prices.json", file=sys.stderr
            )
            return 1
        return 0
    PAGE.write_text(text, encoding="utf-8")
    print(f"written: {PAGE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
