"""Build the package that is deployed without remote build, and print its size: python -m tools.package [FOLDER]."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.package.build import AZURE, ROOT, build


def main(argv: Sequence[str]) -> int:
    """Do what the arguments say; return the exit code. Raises SystemExit for --help and bad use, as argparse does."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.package",
        description="Build the package that is deployed without remote build, and print its size as JSON.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=ROOT / "build" / "package",
        help="where `package/` and `package.zip` are made, in the place of older ones (default: build/package)",
    )
    folder = parser.parse_args(argv).folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"{folder} cannot be the folder: {error.strerror}")
    package = build(folder, *AZURE)
    print(json.dumps({"package": str(package.archive), **package.sizes()}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
