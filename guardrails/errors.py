"""The errors of this product: four, named by what the caller should do.

    GuardrailsError
    ├── Retryable       try again after `delay` seconds: throttled, timed out, server fault, lost race
    ├── Permanent       trying again cannot help: this input or this request is wrong
    ├── Refused         a safety stop: it could be done, and must not be
    └── Misconfigured   settings or ruleset are wrong: nothing is done until somebody fixes them

Every one carries a stable `code`, the `subject` (which exemption, row, file, setting) and a `remedy`.
"""

from pathlib import Path
from typing import Final, Self

NO_TOKEN: Final = "no-token"  # noqa: S105 - the code of an error
"""We have no token for Azure: neither the work to do nor the service to call is at fault."""

_FRAMES: Final = 12


def plain(text: str) -> str:
    """Return what a stranger may have written as one line that a log can hold: what does not print is escaped."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


class GuardrailsError(Exception):
    """Base of all errors that this product raises on purpose.

    Args:
        message: what happened, one sentence without a full stop.
        code: stable, kebab-case name of the situation.
        subject: the exemption id, file, setting or row that it is about; empty where there is none.
        remedy: what to do next, one sentence; empty where nothing can be done.
    """

    def __init__(self, message: str, *, code: str, subject: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.subject = subject
        self.remedy = remedy

    def about(self, subject: str) -> Self:
        """Return the same error about another subject, where several callers share a failure; "" keeps the subject."""
        same = type(self).__new__(type(self), *self.args)
        same.__dict__.update(self.__dict__, subject=subject or self.subject)
        same.__cause__ = self
        return same

    def __str__(self) -> str:
        about = f"{self.subject}: " if self.subject else ""
        stop = "" if self.message.endswith("?") else "."
        then = f"{stop} {self.remedy}" if self.remedy else ""
        return plain(f"{about}{self.message}{then} [{self.code}]")


class Retryable(GuardrailsError):
    """It may work later. `delay` is in seconds: the server's Retry-After, or our own guess."""

    def __init__(self, message: str, *, code: str, subject: str = "", remedy: str = "", delay: float = 10.0) -> None:
        super().__init__(message, code=code, subject=subject, remedy=remedy)
        self.delay = delay


class Permanent(GuardrailsError):
    """Trying again gives the same answer."""


class Refused(GuardrailsError):
    """A safety rule of ours forbids it."""


class Misconfigured(GuardrailsError):
    """A setting or the ruleset is wrong. `problems` lists every mistake found, one line each."""

    def __init__(
        self, message: str, *, code: str, subject: str = "", remedy: str = "", problems: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, code=code, subject=subject, remedy=remedy)
        self.problems = problems

    def __str__(self) -> str:
        return "\n  ".join((super().__str__(), *self.problems))


class Defect(Exception):
    """An error that nobody foresaw, described by `defect`."""


def defect(error: BaseException) -> str:
    """Return the kind of an error and where it arose, innermost first; its text may quote anybody, and is left out."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(defect(one) for one in error.exceptions)
    import traceback  # noqa: PLC0415 - most runs need none, and it brings the tokenizer

    frames = traceback.extract_tb(error.__traceback__)[: -_FRAMES - 1 : -1]
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)
    return f"{type(error).__name__} in {places}" if places else type(error).__name__
