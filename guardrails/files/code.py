"""Templates and parameter files of a repository, each read once, whatever they are written in."""

from typing import TYPE_CHECKING

from guardrails.evaluation.template import Diagnostic, Language, Level, ParameterFile, Stage, Template
from guardrails.evaluation.values import Place, Unknown
from guardrails.files.walk import Found, Kind, Unreadable, kind_of

if TYPE_CHECKING:
    from guardrails.files.bicep_library import Files, Library

__all__ = ["Code", "Unreadable"]


class Code:
    """Reads what `Repository.walk` finds, and what that leads to. Nothing else than `repository` opens a file."""

    def __init__(self, repository: "Files") -> None:
        self._repository = repository
        self._linked: dict[str, Template | Unknown] = {}
        self._names: dict[str, frozenset[str]] = {}
        self._bicep: Library | None = None

    def template(self, found: Found) -> Template | None:
        """Return a template; None where the file only looks like one. What is wrong is in its diagnostics."""
        if found.kind is Kind.BICEP:
            return self._library.read(found.path, found.data).template
        return self._arm(found.path, found.data, named=found.named)

    def found(self, path: str) -> Found | None:
        """Return the template that a parameter file names, by its path from the root; None for what is none.

        Raises Unreadable.
        """
        data = self._repository.read(path)
        kind = kind_of(path[path.rfind(".") :].lower(), data)
        return Found(path, kind, data, named=True) if kind in (Kind.ARM, Kind.BICEP) else None

    def parameters(self, path: str, data: bytes | None = None) -> ParameterFile | None:
        """Return a parameter file; None where it only looks like one. `data`: its bytes, where they were read."""
        if data is None:
            try:
                data = self._repository.read(path)
            except Unreadable as error:
                wrong = Diagnostic(Place(path, 1, 1), str(error), "read", Level.ERROR, Stage.READ)
                return ParameterFile(path, diagnostics=[wrong], place=Place(path, 1, 1))
        if path.lower().endswith(".bicepparam") or kind_of("", data) is Kind.BICEP_PARAMETERS:
            from guardrails.files.bicep_parameters import read_parameters  # noqa: PLC0415 - many folders have none

            return read_parameters(path, data, self._library)
        from guardrails.files.arm_template import is_parameter_file, parameter_file_of  # noqa: PLC0415 - as above
        from guardrails.files.json_places import Fault, decoded, read  # noqa: PLC0415

        text = decoded(data, path)
        if isinstance(text, Fault):
            wrong = Diagnostic(text.place, text.message, "encoding", Level.ERROR, Stage.READ)
            return ParameterFile(path, diagnostics=[wrong], place=text.place)
        document = read(text, path)
        if document.root is not None and not document.faults and not is_parameter_file(document.root):
            return None
        return parameter_file_of(document, path)

    def compiled(self, path: str, data: bytes) -> Template | None:
        """Return the template that a compiler made of a file."""
        return self._arm(path, data, named=True)

    def names_in(self, folder: str) -> frozenset[str]:
        """Return the names of the plain files of a folder; none where it cannot be listed."""
        if folder not in self._names:
            try:
                self._names[folder] = frozenset(self._repository.listed(folder))
            except Unreadable:
                self._names[folder] = frozenset()
        return self._names[folder]

    def _arm(self, path: str, data: bytes, *, named: bool) -> Template | None:
        from guardrails.files.arm_template import is_template, template_of  # noqa: PLC0415 - Bicep alone needs it not
        from guardrails.files.json_places import Fault, decoded, read  # noqa: PLC0415

        text = decoded(data, path)
        if isinstance(text, Fault):
            wrong = Diagnostic(text.place, text.message, "encoding", Level.ERROR, Stage.READ)
            unread = "the file could not be read"
            return Template(Language.ARM, path, None, diagnostics=[wrong], incomplete=unread, place=text.place)
        document = read(text, path)
        whole = document.root is not None and not document.faults
        if whole and not named and not is_template(document.root):
            return None
        return template_of(document, path, self._link)

    def _link(self, base: str, reference: str, place: Place) -> Template | Unknown:
        """Return the template that one of ARM links to by its relative path."""
        try:
            path = self._repository.joined(base, reference)
            if path not in self._linked:
                self._linked[path] = Unknown("linked templates lead to one another", place)
                template = self._arm(path, self._repository.read(path), named=True)
                self._linked[path] = template or Unknown("the linked file is no template", place)
        except Unreadable as error:
            return Unknown(f"the linked template {reference[:200]}: {error}", place)
        return self._linked[path]

    @property
    def _library(self) -> "Library":
        if self._bicep is None:
            from guardrails.files.bicep_library import Library  # noqa: PLC0415 - ARM alone needs it not

            self._bicep = Library(self._repository, self._module)
        return self._bicep

    def _module(self, path: str, data: bytes) -> Template:
        made = self._arm(path, data, named=True)
        if made is None:
            raise Unreadable("the file is no ARM template")
        return made
