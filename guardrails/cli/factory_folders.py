"""Which files of AzPolicyFactory belong to one environment. EPAC's folders are looked at, too: they look alike."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from guardrails.dataclass import dataclass
from guardrails.files.walk import Found, Repository, Unreadable

SCHEMA: Final = "policyExemption.schema.json"
"""The file that is next to the folders of the environments."""
_ABOVE: Final = "policyexemptions"
"""The folder, in lower case, that has the folders of the environments in it."""


@dataclass(slots=True)
class Environment:
    """Files that are deployed together.

    Attributes:
        folder: from the root.
        files: those that were found by their content.
        whole: all JSON files of the folder belong to it.
    """

    folder: str
    files: list[Found]
    whole: bool = False


def environments(
    repository: Repository, found: Sequence[Found], asked: Sequence[Path], schemas: Sequence[str]
) -> list[Environment]:
    """Return the environments of some files, and those where a schema is: a named file is one by itself.

    Args:
        asked: the absolute paths that the run was given.
        schemas: the paths of the files SCHEMA that the walk came by.
    """
    made = [Environment(one.path.rpartition("/")[0], [one]) for one in found if one.named]
    by_folder: dict[str, Environment] = {}
    given = {repository.relative(path) for path in asked}
    direct = {one.path.rpartition("/")[0] for one in found if not one.named}
    for one in found:
        if one.named:
            continue
        folder = _marked(repository, one.path)
        whole = folder is not None
        if folder is None:
            above = [here for here in _up(one.path) if here in direct]
            folder = above[-1]
            whole = folder in given
        by_folder.setdefault(folder, Environment(folder, [], whole)).files.append(one)
    for folder in _of_schemas(repository, asked, schemas):
        by_folder.setdefault(folder, Environment(folder, [], whole=True))
    return [*made, *by_folder.values()]


def _of_schemas(repository: Repository, asked: Sequence[Path], schemas: Sequence[str]) -> Iterator[str]:
    """Yield the folders of environments that the place of the schema says, whatever is in them."""
    for path in asked:
        if repository.is_folder(path):
            below = ""
            for folder in (here := repository.relative(path), *_up(here)):
                if below and _has_schema(repository, folder):
                    yield below
                    break
                below = folder
    above = [path.rpartition("/")[0] for path in schemas]
    for folder in dict.fromkeys(above):
        try:
            yield from repository.folders(folder)
        except Unreadable:  # then it has no files, either
            continue


def _marked(repository: Repository, path: str) -> str | None:
    """Return the folder of a file's environment, where what is above says it; None where nothing does."""
    below = ""
    for folder in _up(path):
        if folder.rpartition("/")[2].lower() == _ABOVE or _has_schema(repository, folder):
            return below or folder
        below = folder
    return None


def _has_schema(repository: Repository, folder: str) -> bool:
    try:
        return SCHEMA in repository.listed(folder)
    except Unreadable:
        return False


def _up(path: str) -> Iterator[str]:
    """Yield the folders above a file, the nearest first; "" is the root."""
    while path:
        path = path.rpartition("/")[0]
        yield path
