"""--scope of the commands that read the register: what it lets pass, and what is near where it lets nothing pass."""

from collections.abc import Iterator, Sequence

from guardrails.cli.options import scope_globs
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.patterns import start_of
from guardrails.nearest import nearest

type Tree = dict[str, tuple[str, Tree]]
"""Parts of ids in lower case -> as written, and the parts that follow."""


class ScopeFilter:
    """Scopes that arguments name. Raises Misconfigured (wrong-pattern) for one that can match nothing."""

    def __init__(self, texts: Sequence[str], version: int) -> None:
        self._globs = dict(zip(texts, scope_globs(texts, version), strict=True))
        self._matched: set[str] = set()
        self._seen: Tree = {}

    def lets_pass(self, exemption: ExemptionId) -> bool:
        """Whether an exemption is at or below one of them; all are where there is none."""
        if not self._globs:
            return True
        matching = {text for text, one in self._globs.items() if one.matches(exemption.key)}
        self._matched |= matching
        below = self._seen
        for part in exemption.scope.strip("/").split("/"):
            _, below = below.setdefault(part.lower(), (part, {}))
        return bool(matching)

    def complaints(self) -> Iterator[str]:
        """Yield a sentence on each that let nothing pass, with the scope that is most like it among those seen."""
        for text in self._globs if self._seen else ():
            if text not in self._matched:
                near = self._near(text)
                yield f"--scope {text}: the register has nothing there{f'. Did you mean {near}?' if near else ''}"

    def _near(self, text: str) -> str:
        fixed = start_of(text)
        parts = fixed.strip("/").split("/")
        if fixed != text:
            parts.pop()  # a wildcard right behind it is a part of it
        below, path = self._seen, ""
        for number, part in enumerate(parts):
            if part.lower() not in below:
                best = nearest(part, [word for word, _ in below.values()])
                return "/".join((path, best[0], *parts[number + 1 :])) if best else ""
            word, below = below[part.lower()]
            path += f"/{word}"
        return ""
