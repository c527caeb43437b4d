"""argparse as this program has it: errors of one line that say what is allowed, and nothing guessed.

An option is taken by its whole name only. What is mistyped is refused, with the name that is most like it.
"""

# ruff: noqa: SLF001 - argparse has no other way to list what a parser takes

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn

from guardrails.cli.help import Formatter
from guardrails.cli.screen import complain


class Parser(argparse.ArgumentParser):
    """The parser of the program, of a command, and of what a command can do."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"formatter_class": Formatter, "allow_abbrev": False, **settings})

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments, and what may be given; exit 2."""
        complain(f"{message}{self._allowed(message)} (see {self.prog} --help)")
        sys.exit(2)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as argparse does; first of all refuse an option that is not known, else another error could hide it."""
        given = sys.argv[1:] if args is None else list(args)
        for word in self._own(given):
            name = word.partition("=")[0]
            if name not in self._option_string_actions:
                self.error(f"there is no option {name[:60]}{_then(self._instead(name, given))}")
        return super().parse_known_args(given, namespace)

    def _own(self, words: Sequence[str]) -> Iterator[str]:
        """Yield the words that are options, of this parser and not of one in it."""
        for word in words:
            if word == "--":
                return
            if len(word) > 1 and word.startswith("-") and " " not in word and not _is_number(word):
                yield word
            elif self._subparsers:
                return

    def _instead(self, name: str, words: Sequence[str]) -> str:
        """Return what to write in place of an option that is not known."""
        parser, path = self, list[str]()
        for word in words:
            if word in (commands := _commands(parser)):
                parser = commands[word]
                path.append(word)
                if name in parser._option_string_actions:
                    return f"Write it after `{' '.join(path)}`"
        return _did_you_mean(name, [one for one in self._option_string_actions if one.startswith("--")])

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Raise ArgumentError for a value that is not among the choices."""
        if action.choices is not None and value not in action.choices:
            names = [str(one) for one in action.choices]
            allowed = _did_you_mean(str(value), names) or f"Give one of {', '.join(names)}"
            raise argparse.ArgumentError(action, f"{str(value)[:60]!r} is not known{_then(allowed)}")

    def _allowed(self, message: str) -> str:
        """Return what is to be given for the arguments that a message of argparse's own names as missing."""
        if " required" not in message and "expected " not in message:
            return ""
        words = message.replace(",", " ").replace(":", " ").split()
        return "".join(_then(self._described(one)) for one in self._actions if _name(one) in words)

    def _described(self, action: argparse.Action) -> str:
        if "|" in _name(action):  # it lists them itself
            return ""
        if action.choices:
            return f"{_name(action)} is one of {', '.join(map(str, action.choices))}"
        return f"{_name(action)}: {self._get_formatter()._expand_help(action)}" if action.help else ""


def _did_you_mean(text: str, names: Iterable[str]) -> str:
    from guardrails.nearest import did_you_mean  # noqa: PLC0415 - who mistypes nothing does not pay for it

    return did_you_mean(text, names)


def _then(text: str) -> str:
    return f". {text}" if text else ""


def _name(action: argparse.Action) -> str:
    """Return how argparse calls an argument in a message."""
    return "/".join(action.option_strings) or str(action.metavar or action.dest)


def _commands(parser: argparse.ArgumentParser) -> dict[str, Parser]:
    """Return the commands in a parser, each with its own."""
    found: dict[str, Parser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= action.choices
    return found


def _is_number(word: str) -> bool:
    return word[1:].replace(".", "", 1).isdigit()
