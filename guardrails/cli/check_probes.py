"""What the readers understand, found by trying: small files, read and computed as `check` does. For docs/check.md."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from guardrails.dataclass import dataclass
from guardrails.evaluation.calls import CALLS
from guardrails.evaluation.deploy import deploy
from guardrails.evaluation.functions import MODULES
from guardrails.evaluation.plan import Outcome
from guardrails.evaluation.values import Unknown, first_unknown
from guardrails.evaluation.world import World
from guardrails.files.code import Code
from guardrails.files.walk import Found, Kind, Unreadable

_HEAD: Final = (
    '{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",'
    ' "contentVersion": "1.0.0.0", '
)
_WORLD: Final = World(
    "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg", "33333333-3333-3333-3333-333333333333",
    "westeurope", "main", datetime(2026, 11, 28, tzinfo=UTC),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Probe:
    """A construct, and files that use it: the first one has an output `x`."""

    what: str
    files: Mapping[str, str]


def _bicep(what: str, text: str, **more: str) -> Probe:
    return Probe(what, {"main.bicep": text, **{name.replace("_", "."): one for name, one in more.items()}})


def _arm(what: str, value: str, more: str = '"resources": []') -> Probe:
    return Probe(what, {"main.json": f'{_HEAD}{more}, "outputs": {{"x": {{"type": "object", "value": {value}}}}}}}'})


_STORAGE: Final = "resource s 'Microsoft.Storage/storageAccounts@2023-05-01' existing = { name: 'a' }\n"
_VAULT: Final = "resource v 'Microsoft.KeyVault/vaults@2023-07-01' existing = { name: 'a' }\n"
_P: Final = "param p string\noutput x string = p"
_MODULE: Final = "output x string = m.outputs.y"

BICEP: Final = (
    _bicep("parameters with a default, variables", "param p string = 'a'\nvar v = '${p}b'\noutput x string = v"),
    _bicep("a parameter without a value", _P),
    _bicep("values of a `.bicepparam` file", _P, main_bicepparam="using 'main.bicep'\nparam p = 'a'"),
    _bicep("loops over known values, `items()`, conditions", "output x array = [for i in items({a: 1}): i.value + 1]"),
    _bicep("user functions, types, `@export` and `import`", "import { f } from 'lib.bicep'\noutput x string = f('a')",
           lib_bicep="@export()\nfunc f(a string) string => '${a}!'"),
    _bicep("modules in files, and their outputs", f"module m 'm.bicep' = {{ name: 'm' }}\n{_MODULE}",
           m_bicep="output y string = 'a'"),
    _bicep("modules in registries and template specs", f"module m 'br/public:a:1.0' = {{ name: 'm' }}\n{_MODULE}"),
    _bicep("`loadTextContent`, `loadJsonContent`, `loadYamlContent`", "output x object = loadYamlContent('a.yaml')",
           a_yaml="a: 1"),
    _bicep("spread, lambdas, safe access", "var o = {a: 1}\noutput x array = map([{...o, b: 2}], e => e.?c ?? e.b)"),
    _bicep("multi-line texts", "output x string = '''\na'''"),
    _bicep("ids and names of `existing` resources", f"{_STORAGE}output x string = s.id"),
    _bicep("properties of `existing` resources", f"{_STORAGE}output x string = s.properties.primaryEndpoints.blob"),
    _bicep("`resourceGroup().tags`, `environment()`", "output x object = resourceGroup().tags"),
    _bicep("`utcNow()`, with `--now`", "param at string = utcNow()\noutput x string = dateTimeAdd(at, 'P1D')"),
    _bicep("`newGuid()`", "param p string = newGuid()\noutput x string = p"),
    _bicep("secrets of key vaults",
           f"{_VAULT}module m 'm.bicep' = {{ name: 'm', params: {{ s: v.getSecret('s') }} }}\n{_MODULE}",
           m_bicep="@secure()\nparam s string\noutput y string = s"),
    _bicep("`readEnvironmentVariable`", _P,
           main_bicepparam="using 'main.bicep'\nparam p = readEnvironmentVariable('TEAM', 'web')"),
)  # fmt: skip
"""Constructs of Bicep."""

_NESTED: Final = (
    '"resources": [{{"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "n",'
    ' "properties": {{"mode": "Incremental", {}}}}}]'
)
_INNER: Final = (
    f'"expressionEvaluationOptions": {{"scope": "inner"}}, "template": {_HEAD}'
    '"resources": [], "outputs": {"y": {"type": "string", "value": "a"}}}'
)
_FUNCTION: Final = (
    '"functions": [{"namespace": "a", "members": {"f": {"parameters": [{"name": "n", "type": "int"}],'
    ' "output": {"type": "int", "value": "[add(parameters(\'n\'), 1)]"}}}}], "resources": []'
)
_OUTPUT: Final = "\"[reference('n').outputs.y.value]\""

ARM: Final = (
    _arm("parameters with a default, variables", '"[variables(\'v\')]"',
         '"parameters": {"p": {"type": "string", "defaultValue": "a"}},'
         ' "variables": {"v": "[parameters(\'p\')]"}, "resources": []'),
    _arm("a parameter without a value", '"[parameters(\'p\')]"',
         '"parameters": {"p": {"type": "string"}}, "resources": []'),
    _arm("`copy` loops, `copyIndex`", '"[variables(\'v\')]"',
         '"variables": {"copy": [{"name": "v", "count": 2, "input": "[copyIndex(\'v\')]"}]}, "resources": []'),
    _arm("user functions", '"[a.f(1)]"', _FUNCTION),
    _arm("nested templates, and their outputs", _OUTPUT, _NESTED.format(_INNER)),
    _arm("templates that are linked by a URI", _OUTPUT,
         _NESTED.format('"templateLink": {"uri": "https://example.com/t.json"}')),
    _arm("`resourceId`, `guid`, `uniqueString`", '"[guid(resourceGroup().id, uniqueString(\'a\'))]"'),
    _arm("`utcNow()` in a default, with `--now`", '"[parameters(\'p\')]"',
         '"parameters": {"p": {"type": "string", "defaultValue": "[utcNow()]"}}, "resources": []'),
    _arm("`reference` and `list…` of resources",
         '"[reference(resourceId(\'Microsoft.Storage/storageAccounts\', \'a\'), \'2023-05-01\').x]"'),
    _arm("`environment()`, tags of resource groups", '"[environment().name]"'),
)  # fmt: skip
"""Constructs of ARM templates."""


KNOWN: Final = "known"


class _Memory:
    """The files of a probe, in place of a repository's."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def joined(self, base: str, reference: str) -> str:
        """Return the name: all are in one folder."""
        return (base.rpartition("/")[0] + "/" + reference).lstrip("/").removeprefix("./")

    def read(self, path: str) -> bytes:
        """Return the bytes of a file. Raises Unreadable."""
        if path not in self._files:
            raise Unreadable("cannot be read: no such file or directory")
        return self._files[path].encode()

    def listed(self, path: str) -> list[str]:
        """Return the names of all files."""
        return [] if path else list(self._files)


def tried(probe: Probe) -> str:
    """Return KNOWN, or why the output of a probe is not known. Raises ValueError for one that is refused."""
    memory = _Memory(probe.files)
    code = Code(memory)
    path = next(iter(probe.files))
    kind = Kind.BICEP if path.endswith(".bicep") else Kind.ARM
    template = code.template(Found(path, kind, memory.read(path), named=True))
    given = next((code.parameters(one) for one in probe.files if one.endswith(".bicepparam")), None)
    plan = deploy(template, _WORLD, given) if template else None
    if plan is None or plan.outcome is Outcome.REFUSED:
        said = "; ".join(one.message for one in plan.diagnostics) if plan else "no template"
        raise ValueError(f"{probe.what}: {said}")
    found = first_unknown(plan.outputs.get("x", Unknown("it has no output")))
    return KNOWN if found is None else f"unknown: {found.reason}"


def functions() -> Iterator[str]:
    """Yield the names of the functions that are computed, as Microsoft spells them, in order."""
    names = {name.lower(): name for module in MODULES.values() for name in module}
    names |= {name: names.get(name, _SPELLED.get(name, name)) for name in CALLS}
    yield from (names[name] for name in sorted(names))


_SPELLED: Final = {"copyindex": "copyIndex", "lambdavariables": "lambdaVariables"}
