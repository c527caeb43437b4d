"""Commands, actions, options and values that have other names now: the old ones work until 1.0. Pure.

The old names are here, and nowhere else in the command line: neither --help nor another message has them.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

NAMES: Final = {
    "letters": "dead-letters",
    "deadletters": "dead-letters",
    "register ways": "bypasses",
    "register bypasses --way": "--kind",
    "doctor --only letters": "dead-letters",
}
"""What stands before a word, with the names of today, and the word -> the word's name of today."""

FOLDER: Final = ("deadletters replay DIR", "dead-letters replay --from DIR")
"""The action that took a folder without an option, and what it is now."""


class Modern(NamedTuple):
    """A command line with the names of today, and what is to be said of the old names in it."""

    words: list[str]
    warning: str


def modern(words: Sequence[str]) -> Modern:
    """Return a command line with the names of today; the warning is one sentence, "" where no old name is in it."""
    first = next((n for n, word in enumerate(words) if not word.startswith("-")), len(words))
    made, context, option = list(words), list[str](), ""
    renamed: dict[str, str] = {}
    for n in range(first, len(made)):
        word, equals, value = made[n].partition("=") if made[n].startswith("--") else (made[n], "", "")
        word = _today([*context, option] if option else context, word, renamed)
        value = _today([*context, word], value, renamed) if equals else ""
        made[n] = word + equals + value
        option = word if word.startswith("--") and not equals else ""
        if n - first == len(context) < _DEEPEST and not word.startswith("-"):
            context.append(word)
    if list(words[first : first + _DEEPEST]) == FOLDER[0].split()[:_DEEPEST]:
        _name_folder(made, first + _DEEPEST)
        renamed = dict([FOLDER])
    said = ", ".join(f"`{old}` is now `{new}`" for old, new in renamed.items())
    return Modern(made, said and f"{said}; the old name works until 1.0")


_DEEPEST: Final = 2
"""Words that say what is to be done, a command and its action: no option is between them."""


def _today(before: Sequence[str], word: str, renamed: dict[str, str]) -> str:
    """Return a word with its name of today, and note where that is another."""
    old = " ".join([*before, word])
    new = NAMES.get(old, word)
    if new != word:
        renamed[old] = " ".join([*before, new])
    return new


def _name_folder(words: list[str], start: int) -> None:
    """Put the option before the folder: the first word from `start` on that is no option, nor a value of one."""
    if any(word.partition("=")[0] == "--from" for word in words[start:]):
        return
    for n in range(start, len(words)):
        if words[n - 1] == "--":
            words[n - 1 : n + 1] = [f"--from={words[n]}"]
        elif not words[n].startswith("-") and words[n - 1] not in ("--format", "--schema-version"):
            words[n] = f"--from={words[n]}"
        else:
            continue
        return
