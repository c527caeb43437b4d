"""How the register's commands write: CSV lines, and files that are there whole or not at all."""

import csv
import io
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from guardrails.errors import Misconfigured
from guardrails.exemption.body import canonical_json
from guardrails.report.texts import cell


def csv_line(values: Sequence[object]) -> str:
    """Return one line of CSV (RFC 4180). No cell is a formula.

    Lists of texts are joined by blanks, other lists and objects are JSON, None is empty.
    """
    buffer = io.StringIO()
    csv.writer(buffer).writerow([cell(_flat(value)) for value in values])
    return buffer.getvalue()


def _flat(value: object) -> object:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return " ".join(value)
    if isinstance(value, Mapping | list | bool):
        return canonical_json(value)
    return value


@contextmanager
def writing(name: str | None) -> Iterator[Callable[[str], object]]:
    """Give a function that writes text: to standard output, or to a file that is replaced at the end, if there is one.

    Raises Misconfigured (cannot-write) where the file cannot be written.
    """
    if not name:
        yield sys.stdout.write  # the stream of now: a progress bar borrows the name
        return
    target = Path(name).resolve()
    if target.exists() and not target.is_file():
        raise _unwritable(name, "it exists and is not a file")
    beside = target.with_name(f".{uuid4().hex}.tmp")
    with _named(name):
        beside.touch(0o600, exist_ok=False)  # it has names of people, and may have bodies of exemptions
        stream = beside.open("w", encoding="utf-8", newline="")

    def put(text: str) -> None:
        with _named(name):
            stream.write(text)

    try:
        yield put
        with _named(name):
            stream.close()
            beside.replace(target)
    finally:
        with suppress(OSError):  # reported already, where it matters
            stream.close()
        beside.unlink(missing_ok=True)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Turn what the file system refuses into an error that names the file."""
    try:
        yield
    except OSError as error:
        raise _unwritable(name, error.strerror or str(error)) from error


def _unwritable(name: str, why: str) -> Misconfigured:
    return Misconfigured(
        f"the file cannot be written: {why}", code="cannot-write", subject=name, remedy="Name another file with --out"
    )
