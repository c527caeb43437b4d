"""Texts counted and cut in UTF-16 code units, as .NET counts them. Pure."""


def length(text: str) -> int:
    """Return the number of UTF-16 code units of a text."""
    return len(text) if text.isascii() or max(text, default="") < "\U00010000" else len(_encoded(text)) // 2


def cut(text: str, start: int, end: int) -> str | None:
    """Return the code units from `start` to before `end`; None where that cuts a character in two."""
    if length(text) == len(text):
        return text[start:end]
    try:
        return _encoded(text)[2 * start : 2 * end].decode("utf-16-le")
    except UnicodeDecodeError:
        return None


def _encoded(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")
