"""Build the package that is deployed without remote build, and print its size: python -m tools.package [FOLDER]."""

import json
import sys
from pathlib import Path

from tools.package.build import AZURE, ROOT, build

if __name__ == "__main__":
    package = build(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "package", *AZURE)
    print(json.dumps({"package": str(package.archive), **package.sizes()}))
