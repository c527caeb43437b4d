"""Which templates are deployed, and with which parameters: what `check` computes, once each. Pure.

A template that another checked one uses as a module is deployed by that one, so it is no entry of its own, unless a
parameter file says so.
"""

from collections.abc import Iterable, Mapping

from guardrails.dataclass import dataclass
from guardrails.evaluation.template import Language, ParameterFile, RecordedExemption, Template


@dataclass(frozen=True, slots=True)
class Entry:
    """A template that is deployed, with its parameter file; None where there is none.

    `named`: a parameter file names the template, or lies next to it; else it is deployed only if nothing else uses it.
    """

    template: Template
    parameters: ParameterFile | None = None
    named: bool = False


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameter files of a run.

    Attributes:
        files: path -> parameter file; those of the checked files, and those next to a checked template.
        given: the paths of those that an option names; they go before what lies next to a template.
    """

    files: Mapping[str, ParameterFile]
    given: tuple[str, ...] = ()

    def entries_of(self, template: Template) -> list[Entry]:
        """Return how a template is deployed: once for each of its parameter files, or without one."""
        given = [one for path in self.given if (one := self.files.get(path))]
        if found := [Entry(template, one, bool(one.using)) for one in given if _fits(one, template)]:
            return found
        others = [one for path, one in self.files.items() if path not in self.given]
        own = [one for one in others if one.using == template.path]
        own = own or [one for one in others if not one.using and one.path in companions_of(template.path)]
        return [Entry(template, one, named=True) for one in own] or [Entry(template)]


def roots_of(used: Mapping[str, Iterable[str]]) -> set[str]:
    """Return the templates that are deployed by themselves. `used`: path -> the modules of that template.

    Of templates that use one another, and that nothing else uses, the first one is.
    """
    inner = {module for modules in used.values() for module in modules}
    roots = {path for path in used if path not in inner}
    reached = _reached(roots, used)
    for path in used:
        if path not in reached:
            roots.add(path)
            reached |= _reached([path], used)
    return roots


def modules_of(template: Template) -> set[str]:
    """Return the paths of the other files whose templates a template deploys, at any depth."""
    found: set[str] = set()
    _collect(template, found, template.path, set())
    return found


def _collect(template: Template, found: set[str], own: str, seen: set[int]) -> None:
    if id(template) in seen:
        return
    seen.add(id(template))
    for resource in template.resources:
        inner = resource.deployment.template if resource.deployment else None
        if inner is not None:
            if inner.path not in (own, template.path):
                found.add(inner.path)
            _collect(inner, found, own, seen)


def _reached(roots: Iterable[str], used: Mapping[str, Iterable[str]]) -> set[str]:
    found: set[str] = set()
    left = [*roots]
    while left:
        path = left.pop()
        if path not in found:
            found.add(path)
            left += used.get(path, ())
    return found


def companions_of(path: str) -> tuple[str, ...]:
    """Return the path of the parameter file that is taken for a template without being named."""
    stem = path.rpartition(".")[0]
    return (f"{stem}.parameters.json",)


def _fits(one: ParameterFile, template: Template) -> bool:
    """Whether a parameter file that an option names is a template's: it names it, or gives only what it declares."""
    if one.using:
        return one.using == template.path
    declared = {name.lower() for name in template.parameters}
    return {name.lower() for name in one.values} <= declared


def makes_assignments(template: Template) -> bool:
    """Whether a template may deploy policy assignments."""
    return _makes(template, set())


def _makes(template: Template, seen: set[int]) -> bool:
    if id(template) in seen:
        return False
    seen.add(id(template))
    for resource in template.resources:
        if isinstance(resource, RecordedExemption):
            continue
        said = getattr(resource.type, "value", None)
        if not resource.existing and (not isinstance(said, str) or "policyassignments" in said.lower()):
            return True
        deployment = resource.deployment
        if deployment and (deployment.template is None or _makes(deployment.template, seen)):
            return True
    return False


FORMATS: Mapping[Language, str] = {Language.ARM: "arm", Language.BICEP: "bicep"}
"""What a file's language is called in answers."""
