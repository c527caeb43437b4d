"""What `check` is measured against: programs that read the same files, and do nothing with them.

python tests/bench_read.py parse DIR   Bicep with tree-sitter, ARM with json
python tests/bench_read.py epac DIR    EPAC's JSON, JSONC and CSV, each decoded and parsed to Python's values

Each is a file of its own that imports nothing else, so that its time is that of the parsers.
"""

import csv
import io
import json
import re
import sys
from pathlib import Path

_COMMENTS = re.compile(r'("(?:[^"\\]|\\.)*")|//[^\n]*|/\*.*?\*/', re.S)
_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[\]}])', re.S)


def parse(folder: Path) -> None:
    """Parse every file with tree-sitter or json."""
    import tree_sitter_bicep  # noqa: PLC0415 - EPAC's files need it not
    from tree_sitter import Language, Parser  # noqa: PLC0415

    parser = Parser(Language(tree_sitter_bicep.language()))
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".bicep":
            parser.parse(path.read_bytes())
        elif path.suffix == ".json":
            json.loads(path.read_bytes())


def epac(folder: Path) -> None:
    """Read every file of EPAC, its settings, and what Azure has: of JSONC, first take comments and last commas away."""
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".json":
            json.loads(path.read_bytes())
        elif path.suffix == ".jsonc":
            plain = _COMMENTS.sub(r"\1", path.read_text(encoding="utf-8-sig"))
            json.loads(_COMMA.sub(r"\1", plain))
        elif path.suffix == ".csv":
            list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))


if __name__ == "__main__":
    {"parse": parse, "epac": epac}[sys.argv[1]](Path(sys.argv[2]))
