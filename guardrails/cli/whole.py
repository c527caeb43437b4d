"""Files of a folder, written all or not at all."""

import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path


def write_whole(folder: Path, texts: Mapping[str, str], gone: Iterable[str]) -> None:
    """Write texts (UTF-8, by their path in the folder) and delete files; where any of it fails all is as before.

    That holds where it is interrupted, too. What is new lies beside the folder's files until it is complete, so that a
    full disk is found out before anything is replaced. What could not be put back is left in a folder `.new-*` there.
    Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
    moved: list[tuple[Path, Path | None]] = []
    try:
        for number, text in enumerate(texts.values()):
            (stage / str(number)).write_text(text, encoding="utf-8", newline="\n")
        for number, name in enumerate(texts):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            _exchange(folder / name, stage / str(number), stage / f"old-{number}", moved)
        for number, name in enumerate(gone):
            _exchange(folder / name, None, stage / f"gone-{number}", moved)
    except BaseException:
        _take_back(moved)
        if not any(kept and _is_there(kept) for _, kept in moved):
            shutil.rmtree(stage, ignore_errors=True)
        raise
    shutil.rmtree(stage, ignore_errors=True)


def _take_back(moved: Sequence[tuple[Path, Path | None]]) -> None:
    for path, kept in reversed(moved):
        with suppress(OSError):
            path.unlink(missing_ok=True) if kept is None else kept.replace(path)


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _exchange(path: Path, new: Path | None, kept: Path, moved: list[tuple[Path, Path | None]]) -> None:
    """Keep what is at a path, and put something else there, or nothing; note what takes it back."""
    there = _is_there(path)
    if path.is_dir():
        raise IsADirectoryError(21, "it is a folder", str(path))
    moved.append((path, kept if there else None))
    if there:
        path.replace(kept)
    if new is not None:
        new.replace(path)
