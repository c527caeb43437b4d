"""Which templates are deployed, and with which parameters: what `check` computes, once each. Pure.

A template that another checked one uses as a module is deployed by that one, so it is no entry of its own, unless a
parameter file says so.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from guardrails.evaluation.template import Language, ParameterFile, Template


@dataclass(frozen=True, slots=True)
class Entry:
    """A template that is deployed, with its parameter file; None where there is none."""

    template: Template
    parameters: ParameterFile | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """What was read of the checked files.

    Attributes:
        templates: path -> template.
        parameters: path -> parameter file; those of the checked files, and those beside a checked template.
        given: the paths of parameter files that an option names; they go before what lies beside a template.
    """

    templates: Mapping[str, Template]
    parameters: Mapping[str, ParameterFile]
    given: tuple[str, ...] = ()


def entries_of(sources: Sources) -> tuple[list[Entry], list[str]]:
    """Return what is deployed, in the order of the files, and the given parameter files that fit no template."""
    used = {path: modules_of(template) for path, template in sources.templates.items()}
    inner = set().union(*used.values()) if used else set()
    roots = [path for path in sources.templates if path not in inner]
    reached = _reached(roots, used)
    for path in sources.templates:  # those of a cycle that nothing outside it uses
        if path not in reached:
            roots.append(path)
            reached |= _reached([path], used)
    found: list[Entry] = []
    fitting: set[str] = set()
    for path, template in sources.templates.items():
        some = [*_parameters_of(template, sources, alone=path in roots)]
        fitting.update(one.path for one in some)
        found += [Entry(template, one) for one in some]
        if not some and path in roots:
            found.append(Entry(template))
    return found, [path for path in sources.given if path not in fitting and path in sources.parameters]


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


def _reached(roots: Iterable[str], used: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    left = [*roots]
    while left:
        path = left.pop()
        if path not in found:
            found.add(path)
            left += used.get(path, ())
    return found


def _parameters_of(template: Template, sources: Sources, *, alone: bool) -> Iterator[ParameterFile]:
    """Yield the parameter files that a template is deployed with. `alone`: whether nothing else deploys it."""
    given = [
        one for path in sources.given if (one := sources.parameters.get(path)) and _fits(one, template, alone=alone)
    ]
    if given:
        yield from given
        return
    others = [one for path, one in sources.parameters.items() if path not in sources.given]
    using = [one for one in others if one.using == template.path]
    yield from using or [one for one in others if not one.using and one.path in companions_of(template.path)]


def companions_of(path: str) -> tuple[str, ...]:
    """Return the path of the parameter file that is taken for a template without being named."""
    stem = path.rpartition(".")[0]
    return (f"{stem}.parameters.json",)


def _fits(one: ParameterFile, template: Template, *, alone: bool) -> bool:
    """Whether a parameter file that an option names is a template's: it names it, or gives only what it declares."""
    if one.using:
        return one.using == template.path
    declared = {name.lower() for name in template.parameters}
    return alone and {name.lower() for name in one.values} <= declared


def makes_assignments(templates: Sequence[Template]) -> bool:
    """Whether any of these templates may deploy policy assignments."""
    seen: set[int] = set()
    return any(_makes(template, seen) for template in templates)


def _makes(template: Template, seen: set[int]) -> bool:
    if id(template) in seen:
        return False
    seen.add(id(template))
    for resource in template.resources:
        said = getattr(resource.type, "value", None)
        if not resource.existing and (not isinstance(said, str) or "policyassignments" in said.lower()):
            return True
        deployment = resource.deployment
        if deployment and (deployment.template is None or _makes(deployment.template, seen)):
            return True
    return False


FORMATS: Mapping[Language, str] = {Language.ARM: "arm", Language.BICEP: "bicep"}
"""What a file's language is called in answers."""
