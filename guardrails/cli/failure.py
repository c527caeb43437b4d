"""What a command says when it fails, and its exit code then: a line for each error, whatever it was."""

from collections.abc import Iterator, Sequence
from typing import Final

from guardrails.cli.program import missing, program
from guardrails.cli.screen import complain
from guardrails.errors import GuardrailsError, Misconfigured, Permanent, Refused, Retryable, defect

INTERRUPTED: Final = 130
TRACEBACK: Final = "--traceback"
"""The option, before the command, that has the traceback of what goes wrong shown."""

REMEDIES: Final = {
    "cannot-act": "`exg doctor --only permissions` shows a missing role; ask the owner of a lock"
    " or a policy to remove it"
}
"""What to do next about errors of which only the command line knows that; by code."""

_BAD_INPUT: Final = frozenset(
    {"not-an-exemption", "no-such-rule", "no-such-dead-letter", "no-such-route", "no-such-digest"}
)
_FINDERS: Final = frozenset({"judge", "check", "scan", "reverts", "policy"})
"""Commands whose 1 means that something was found, and nothing else."""


def explain(error: BaseException, command: str, *, trace: bool) -> int:
    """Say on standard error what went wrong; return the exit code.

    Of a group each error of ours has its line, and all that nobody foresaw have one together. `trace`: show where in
    the program it was, too.
    """
    errors = list(_single(error))
    if any(isinstance(one, KeyboardInterrupt) for one in errors):
        return INTERRUPTED
    ours = [one for one in errors if isinstance(one, GuardrailsError)]
    others = [one for one in errors if not isinstance(one, GuardrailsError)]
    lines = {_line(one): one.problems if isinstance(one, Misconfigured) else () for one in ours}
    if others:
        lines[_unforeseen(others, command)] = ()
    for line, more in lines.items():
        complain(line, more)
    if trace:
        import traceback  # noqa: PLC0415 - for this alone; most of its cost is the tokenizer's

        complain("where it was:", "".join(traceback.format_exception(error)).splitlines())
    return 1 if all(_is_answer(one, command) for one in errors) else 2


def _line(error: GuardrailsError) -> str:
    """Return what happened and what to do next, in one line."""
    if error.remedy:
        return GuardrailsError.__str__(error)
    again = ""
    if isinstance(error, Retryable):
        from guardrails.exemption.counts import number_of  # noqa: PLC0415 - --help starts without its package

        again = f"Run the command again after {number_of(max(1, round(error.delay)), 'second')}"
    more = error.about("")
    more.remedy = REMEDIES.get(error.code, again)
    return GuardrailsError.__str__(more)


def _single(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors in a group, however deep; an error that is no group is its own."""
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _single(one)
    else:
        yield error


def _is_answer(error: BaseException, command: str) -> bool:
    """Whether the command ran, and its answer is no."""
    no = isinstance(error, Permanent | Refused) and error.code not in _BAD_INPUT
    return no and command not in _FINDERS


def _unforeseen(errors: Sequence[BaseException], command: str) -> str:
    """Return the line about errors that are not ours. The text of most is left out: it may quote anybody."""
    packages = [str(one.name) for one in errors if isinstance(one, ModuleNotFoundError) and not _is_own(one)]
    if len(packages) == len(errors):
        return missing(packages[0])
    kinds = "; ".join(dict.fromkeys(map(_kind, errors)))
    if all(isinstance(one, MemoryError) for one in errors):
        then = "Give the program more memory, or less work at once"
    elif all(isinstance(one, OSError) for one in errors):
        then = "Fix this, and run the command again"
    else:
        then = "This is a defect in the program. Report this line"
    again = f"{program()} {TRACEBACK} {command} ..."
    return f"{command or program()} failed: {kinds}. {then}; `{again}` shows all [unexpected]"


def _is_own(error: ModuleNotFoundError) -> bool:
    return (error.name or "guardrails").partition(".")[0] == "guardrails"


def _kind(error: BaseException) -> str:
    """Return what an error is and where it arose; of what the system refused also its own words, and the file."""
    if isinstance(error, OSError) and error.strerror:
        about = f": {error.filename}" if error.filename is not None else ""
        return f"{error.strerror}{about} ({defect(error)})"
    return defect(error)
