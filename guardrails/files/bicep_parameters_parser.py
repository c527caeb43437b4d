"""Parameter files of Bicep: text -> declarations, each fault noted with its place. Pure."""

from collections.abc import Callable

from guardrails.evaluation.values import Place
from guardrails.files.bicep_parser import Parser
from guardrails.files.bicep_scanner import BREAK, NAME
from guardrails.files.bicep_syntax import Declaration, Decorator, Param, Using


class ParametersParser(Parser):
    """Reads the declarations of a parameter file."""

    def _readers(self) -> dict[str, Callable[[list[Decorator], Place], Declaration]]:
        return {
            "using": self._using, "extends": self._extends, "param": self._assignment, "var": self._var,
            "import": self._import, "type": self._type, "extension": self._extension,
            "extensionConfig": self._extension,
        }  # fmt: skip

    def _using(self, decorators: list[Decorator], place: Place) -> Declaration:
        self.advance()
        source = None
        if self.kind == NAME:
            self.expect("none", "BCP012")
        else:
            source = self._text("BCP257", "the path of a file")
        if self.kind != BREAK and self._has("with"):
            self.expression()
        return Using("using", decorators, place, source)

    def _extends(self, decorators: list[Decorator], place: Place) -> Declaration:
        self.advance()
        return Using("extends", decorators, place, self._text("BCP404", "the path of a file"))

    def _assignment(self, decorators: list[Decorator], place: Place) -> Declaration:
        name = self._head("a parameter", "BCP013")
        return Param(name, decorators, place, None, self._value())
