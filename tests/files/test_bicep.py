import json
from typing import Any

import pytest

from guardrails.evaluation.plan import Outcome
from guardrails.evaluation.values import Unknown, first_unknown
from tests.files.bicep import EXEMPTION, GROUP, errors, faults, plan, read, value

_MODULE = "param name string\nparam ends string = ''\nparam count int?\noutput id string = name\n"
_FILES = {
    "m.bicep": _MODULE,
    "sub.bicep": "targetScope = 'subscription'\n",
    "shared.bicep": (
        "@export()\nvar owner = 'a'\nvar hidden = 'b'\n@export()\nvar both = '${owner}${hidden}'\n"
        "@export()\ntype kind = 'x' | 'y'\n@export()\nfunc f(n int) string => '${n}-${both}'\n"
    ),
    "s.bicep": "@secure()\noutput s string = 'a'\noutput t string = 'b'\n",
    "broken.bicep": "var x = \n@export()\nvar y = 1\n",
    "data.json": '{"a": 1}',
}
_SHORT = {
    "<R>": "resource r 'A.B/c@2020-01-01'",
    "<S>": "resource s 'A.B/c@2020-01-01'",
    "<L>": "resource r 'A.B/c@2020-01-01' existing = [for i in [ 'a' ]: { name: i }]",
    "<M>": "module m 'm.bicep' = { name: 'a', params: { name: '' } }",
    "<V>": "resource s 'Microsoft.KeyVault/vaults@2023-07-01'",
    "<D>": "resource s 'A.B/c/d@2020-01-01'",
}


def _full(text: str) -> str:
    """Return a text with resources in it for their short forms."""
    for short, long in _SHORT.items():
        text = text.replace(short, long)
    return text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("var x = nothing", "BCP057"),
        ("var x = nothing()", "BCP057"),
        ("var x = a\nvar a = b\nvar b = a", "BCP080"),
        ("var x = 1\nvar x = 2", "BCP028"),
        ("var x = 1\nvar X = 2", "BCP353"),
        ("var copy = 1", "BCP239"),
        ("var az = 1", "BCP084"),
        ("var this = 1", "BCP084"),
        ("param p resource 'A.B/c@2020-01-01'", "BCP231"),
        ("param p resourceInput<'A.B/c@2020-01-01'>", "BCP394"),
        ("param p string<'a'>", "BCP383"),
        ("type t = { a: string }.a", "BCP391"),
        ("type t = { *: int, *: string }", "BCP315"),
        ("var v = flatten([ 1 ])", "BCP309"),
        ("param p string[]\nvar v = flatten(p)", "BCP309"),
        ("param p int?\nvar v = p + 1", "BCP045"),
        ("var v = [ ...null ]", "BCP402"),
        ("param p object?\nvar v = { ...p }", "BCP402"),
        ("param p bool\nvar v = { ...(p ? { a: 1 } : null) }", "BCP402"),
        ("param p int?\nparam q bool\nvar v = (q ? 1 : null) < 1", "BCP045"),
        ("param p bool?\nvar v = !p", "BCP044"),
        ("var x = { a: 1, a: 2 }", "BCP025"),
        ("output a string = ''\noutput a string = ''", "BCP145"),
        ("output a string = ''\noutput A string = ''", "BCP353"),
        ("targetScope = 'group'", "BCP033"),
        ("targetScope = 'tenant'\ntargetScope = 'tenant'", "BCP112"),
        ("var v = 1\nparam p int = v", "BCP072"),
        ("var v = utcNow()", "BCP065"),
        ("param p string = '${sys.utcNow()}${newGuid()}'\nvar v = sys.newGuid()", "BCP065"),
        ("type t = string\nvar v = t", "BCP063"),
        ("var v = 1\nvar x = v()", "BCP059"),
        ("var v = createObject('a', 1)", "BCP069"),
        ("func f(a int, a int) string => ''", "BCP028"),
        ("param p string\nfunc f() string => p", "BCP057"),
        ("var v = map([ 1 ], (a, a) => a)", "BCP028"),
        ("var v = [for (a, a) in []: a]", "BCP028"),
        ("var v = x => x", "BCP242"),
        ("var v = { a: [for i in []: i] }", "BCP138"),
        ("param p array = [for i in []: i]", "BCP138"),
        ("var v = nameof(1)", "BCP408"),
        ("var v = resourceGroup('a').id\ntargetScope = 'tenant'", "BCP071"),
        ("targetScope = 'managementGroup'\nvar v = subscription().id", "BCP071"),
        ("param p nothing", "BCP302"),
        ("@minLength(1)\nparam p int", "BCP124"),
        ("@nothing()\nparam p int", "BCP057"),
        ("@allowed([ 1 ])\nvar v = 1", "BCP126"),
        ("@secure()\n@secure()\nparam p string", "BCP166"),
        ("@description()\nparam p string", "BCP071"),
        ("@batchSize(1)\nmodule m 'm.bicep' = { params: { name: '' } }", "BCP155"),
        ("@batchSize(0)\nmodule m 'm.bicep' = [for i in []: { params: { name: '' } }]", "BCP154"),
        ("@onlyIfNotExists()\nmodule m 'm.bicep' = { params: { name: '' } }", "BCP128"),
        ("param p string? = 'a'", "BCP326"),
        ("assert a = true", "BCP349"),
        ("type t = { a: string, a: int }", "BCP025"),
        ("type t = null", "BCP289"),
        ("type resource = string", "BCP301"),
        ("type t = 'a' | 1", "BCP294"),
        ("type t = string | int", "BCP294"),
        ("type t = 'a' | string", "BCP293"),
        ("type u = { a: string }\ntype v = { b: string }\ntype t = u | v", "BCP293"),
        ("type t = t", "BCP298"),
        ("type t = { a: t }", "BCP298"),
        ("type t = t[]", "BCP298"),
        ("type a = b\ntype b = [ a ]", "BCP299"),
        ("type a = string[]\ntype b = a[0]", "BCP388"),
        ("type a = [ string ]\ntype b = a[*]", "BCP390"),
        ("type a = { p: string }\ntype b = a.*", "BCP389"),
        ("type a = { p: string }\ntype b = a.q", "BCP052"),
        ("import * as s from 'shared.bicep'\nparam p s.nothing", "BCP302"),
        ("@secure()\nparam p int", "BCP124"),
        ("@sealed()\ntype t = string", "BCP124"),
        ("@sealed()\ntype t = { *: string }", "BCP316"),
        ("type t = string\n@secure()\nparam p t", "BCP308"),
        ("type t = string\n@minLength(1)\nparam p t?", "BCP308"),
        ("@allowed([ 'a' ])\nparam p 'a'", "BCP295"),
        ("@allowed([])\nparam p string", "BCP099"),
        ("@allowed([ 'a', 1 ])\nparam p string", "BCP034"),
        ("@minLength(-1)\nparam p string", "BCP168"),
        ("@minLength(3)\n@maxLength(2)\nparam p string", "BCP331"),
        ("@minValue(3)\n@maxValue(2)\nparam p int", "BCP331"),
        ("@description(1)\nparam p int", "BCP070"),
        ("@metadata('a')\nparam p int", "BCP070"),
        ("var v = 'a'\n@description(v)\nparam p int", "BCP032"),
        ("@description('a${1}')\nparam p int", "BCP032"),
        ("type t = {\n  @nothing()\n  a: string\n}", "BCP057"),
        ("type t = {\n  @allowed([ 'a' ])\n  a: string\n}", "BCP297"),
        ("@discriminator('k')\ntype t = { k: 'a' }", "BCP363"),
        ("@discriminator('k')\ntype t = { k: 'a' } | { l: 'b' }", "BCP364"),
        ("@discriminator('k')\ntype t = { k: 'a' } | { k: 'A', l: string }", "BCP365"),
        ("@discriminator('k')\ntype t = { k: 'a' } | 'b'", "BCP286"),
        ("var v = 'a'\nmetadata m = v", "BCP032"),
        ("metadata m = 'a'\nmetadata m = 'b'", "BCP145"),
        ("var v = listKeys('a')", "BCP071"),
        ("type t = t?", "BCP298"),
        ("type t = { a: string, A: int }", "BCP353"),
        ("type t = {\n  @export()\n  a: string\n}", "BCP361"),
        ("@secure()\ntype t = any", "BCP440"),
        ("import { owner } from 'shared.bicep'\nvar Owner = 'a'", "BCP353"),
        ("import { owner as a, owner as b } from 'shared.bicep'", "BCP362"),
        ("param p string\nvar q = p\n@export()\nvar v = q", "BCP372"),
        ("var description = 'a'\n@description('b')\nparam p string", "BCP265"),
        ("var resourceGroup = 'a'\nvar v = resourceGroup().id", "BCP265"),
        ("@validate(x => true)\nparam p string", "BCP057"),
        ("var v = sys.resourceGroup().id", "BCP107"),
        ("var v = az.toLower('A')", "BCP107"),
    ],
)
def test_what_the_compiler_refuses_of_names_is_refused_with_its_code(text: str, wanted: str) -> None:
    found = errors(read(_full(text), _FILES))
    assert [one.rule for one in found][:1] == [wanted]
    assert plan(_full(text), _FILES).outcome == "refused"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("param p string = 1", "BCP033"),
        ("param p int[] = [ 'a' ]", "BCP034"),
        ("param p string = null", "BCP033"),
        ("output o int = null", "BCP033"),
        ("func f(a string) string => a\nvar v = f(null)", "BCP070"),
        ("module m 'm.bicep' = { params: { name: null } }", "BCP036"),
        ("output o string = true ? 1 : 2", "BCP033"),
        ("param p bool\noutput o string = p ? 'a' : 2", "BCP033"),
        ("param p bool\noutput o 'a' | 'b' = p ? 'a' : 'c'", "BCP033"),
        ("@maxValue(3)\noutput o int = 5", "BCP327"),
        ("@minValue(3)\noutput o int = 1", "BCP328"),
        ("@maxLength(1)\noutput o string = 'ab'", "BCP332"),
        ("@minLength(2)\noutput o array = [ 1 ]", "BCP333"),
        ("param p [ string, int ] = [ 1, 2 ]", "BCP034"),
        ("param p [ string, int ] = [ 'a' ]", "BCP333"),
        ("param p [ string, int ]\noutput o string = p[1]", "BCP033"),
        ("param p [ string, int ]\nvar v = p[2]", "BCP311"),
        ("var v = [][0]", "BCP311"),
        ("var a = [ 'b' ]\nvar v = a[1]", "BCP311"),
        ("var v = [ 'a' ][-1]", "BCP311"),
        ("var v = null[0]", "BCP076"),
        ("var v = null.a", "BCP055"),
        ("var v = -true", "BCP045"),
        ("var v = filter(range(0, 2), i => i)", "BCP070"),
        ("@discriminator('k')\ntype t = { k: 'a' } | { k: 'b' }\nparam p t = { k: 'c' }", "BCP036"),
        ("@discriminator('k')\ntype t = { k: 'a' } | { k: 'b' }\nparam p t = {}", "BCP078"),
        ("@discriminator('k')\ntype t = { k: 'a' } | { k: 'b', l: int }\nparam p t = { k: 'b' }", "BCP035"),
        ("var v = deployment().location", "BCP053"),
        ("module m 'm.bicep' = { params: { name: '' } }\nvar v = m.location", "BCP053"),
        ("var v = contains('abc', 1)", "BCP048"),
        ("var v = indexOf('abc', 1)", "BCP048"),
        ("param p object\nparam q string\nvar v = p[^q]", "BCP415"),
        ("param p array\nparam q string\nvar v = p[^q]", "BCP074"),
        ("param p [ string, int ]\noutput o string = p[^1]", "BCP033"),
        ("var v = subscription().name", "BCP053"),
        ("<R> existing = { name: 'a', scope: subscription('b').id }", "BCP053"),
        ("param p { a: string } = { a: 1 }", "BCP036"),
        ("param p { a: string } = {}", "BCP035"),
        ("param p 'a' | 'b' = 'c'", "BCP033"),
        ("param p string\noutput o int = p", "BCP033"),
        ("param p string\nvar v int = '${p}'", "BCP033"),
        ("func f() int => 'a'", "BCP033"),
        ("func f(a int) int => a\nvar v = f('a')", "BCP070"),
        ("func f(a int) int => a\nvar v = f()", "BCP071"),
        ("param p string\nvar v = p + 1", "BCP045"),
        ("param p string\nvar v = -p", "BCP045"),
        ("param p int\nvar v = !p", "BCP044"),
        ("param p int\nvar v = p < 'a'", "BCP045"),
        ("param p int\nvar v = p ? 1 : 2", "BCP046"),
        ("param p int\nvar v = toLower(p)", "BCP070"),
        ("var v = toLower('a', 'b')", "BCP071"),
        ("param p object\nvar v = filter(p, x => true)", "BCP070"),
        ("param p array\nvar v = filter(p, true)", "BCP070"),
        ("param p array\nvar v = filter(p, x => 1)", "BCP070"),
        ("param p array\nvar v = sort(p, x => true)", "BCP244"),
        ("param p array\nparam q object\nvar v = union(p, q)", "BCP048"),
        ("var v = join([ 'a', null ], '')", "BCP070"),
        ("param p string\nvar v = p.a", "BCP055"),
        ("@sealed()\nparam p { a: string }\nvar v = p.b", "BCP053"),
        ("param p array\nvar v = p['a']", "BCP074"),
        ("param p object\nvar v = p[1]", "BCP075"),
        ("param p string\nvar v = [for i in p: i]", "BCP137"),
        ("param p string\nvar v = [ ...p ]", "BCP402"),
        ("module m 'm.bicep' = { params: { name: 1 } }", "BCP036"),
        ("param p int\n<R> = if (p) { name: 'a' }", "BCP046"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_though_it_is_not_known(text: str, wanted: str) -> None:
    assert errors(read(_full(text), _FILES))[0].rule == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("resource r 'A.B/c' = { name: 'a' }", "BCP029"),
        ("resource r 'A@1' = { name: 'a' }", "BCP029"),
        ("resource r '${1}' = { name: 'a' }", "BCP047"),
        ("<R> = {}", "BCP035"),
        ("<R> = { name: 'a/b' }", "BCP169"),
        ("<R> = { name: 'a' }\n<D> = [for i in []: { parent: r, name: 'b/' }]", "BCP170"),
        ("resource r 'A.B/c/d@2020-01-01' = { name: 'a' }", "BCP169"),
        ("<R> = { name: 'a', ...{ tags: {} } }", "BCP401"),
        ("<R> = { name: 'a', properties: { ...{}, b: [for i in []: i] } }", "BCP417"),
        ("<R> = { name: 'a', scope: tenant() }\n<S> = { name: 'b', scope: subscription() }", "BCP139"),
        ("resource g 'Microsoft.Resources/resourceGroups@2024-03-01' = { name: 'a', location: 'b' }", "BCP135"),
        ("<R> = { name: 'a', scope: 'b' }", "BCP036"),
        ("<R> = { name: 'a' }\n<S> = { name: 'b', scope: r.id }", "BCP036"),
        ("<R> = { name: 'a', scope: resourceId('a/b', 'c') }", "BCP036"),
        ("module m 'm.bicep' = { scope: 'a', params: { name: '' } }", "BCP036"),
        ("<R> = { name: 1 }", "BCP036"),
        ("<M>\noutput o int = m.outputs.id", "BCP033"),
        ("import { owner } from 'shared.bicep'\noutput o int = owner", "BCP033"),
        ("import * as s from 'shared.bicep'\noutput o string = s.owner.a", "BCP055"),
        ("param p string[]\noutput o int[] = [ ...p ]", "BCP034"),
        ("<R> = { name: 'a', parent: 'b' }", "BCP240"),
        ("<R> existing = { name: 'a', scope: subscription() }\n<D> = { name: 'b', parent: r }", "BCP165"),
        ("<R> existing = { name: 'a' }\n<D> = { name: 'b/c', parent: r }", "BCP170"),
        ("<R> existing = { name: 'a' }\nresource s 'A.C/c/d@2020-01-01' = { name: 'b', parent: r }", "BCP171"),
        ("<R> = { name: 'a' }\nvar v = r::b.id", "BCP159"),
        ("<R> = [for i in range(0, 2): { name: 'a${i}' }]\nvar v = r.id", "BCP055"),
        ("<R> = [for i in range(0, 2): {\n  name: 'a${i}'\n  resource s 'd' = { name: 'b' }\n}]", "BCP160"),
        ("<R> = { name: 'a' }\n<S> = { name: r.properties.b }", "BCP120"),
        ("<R> = { name: 'a' }\nvar v = r.location\n<S> = { name: v }", "BCP120"),
        ("<R> = { name: 'a' }\n<S> = if (r.properties.b) { name: 'c' }", "BCP177"),
        ("<R> = { name: 'a' }\n<S> = [for i in r.properties.b: { name: i }]", "BCP178"),
        ("<R> = { name: 'a' }\nvar v = [for i in []: r.properties.b]", "BCP182"),
        ("<R> existing = { name: 'a' }\nvar v = [for i in []: r.listKeys()]", "BCP182"),
        ("var v = [for i in []: listKeys('a', '2020-01-01')]", "BCP182"),
        ("<R> existing = { name: 'a' }\noutput o array = [for i in r.properties.b: i]", "BCP178"),
        ("<R> = { name: 'a' }\n<S> = { name: 'b', properties: { c: [for i in r.properties.d: i] } }", "BCP178"),
        ("<M>\nmodule n 'm.bicep' = { scope: resourceGroup(m.outputs.id), params: { name: '' } }", "BCP120"),
        ("<M>\n<R> existing = { name: m.outputs.id }\noutput o string = r.location", "BCP307"),
        ("<M>\n<R> existing = { name: m.outputs.id }\n<S> = { name: 'b', scope: r }", "BCP120"),
        ("<M>\n<R> existing = { name: m.outputs.id }\n<S> = { name: guid(r.id) }", "BCP120"),
        ("<M>\n<R> existing = { name: m.outputs.id }\n<D> = { name: 'b', parent: r }", "BCP120"),
        ("<R> existing = { name: 'a' }\n<V> = { name: 'b', location: r.location }", "BCP120"),
        ("<R> existing = [for i in []: { name: i }]\noutput o array = map([ 0 ], i => r[i].properties.b)", "BCP247"),
        ("output o array = map([ 'a' ], i => reference(i).b)", "BCP248"),
        ("<L>\noutput o array = [for i in r: i.id]", "BCP144"),
        ("<L>\n<S> = [for i in []: { name: i, properties: { a: map(r, one => one.id) } }]", "BCP144"),
        ("<L>\nvar ids = map(r, one => one.id)\noutput o array = [for i in ids: i]", "BCP144"),
        ("<L>\n<S> = { name: guid(join(map(r, one => one.name), ',')) }", "BCP144"),
        ("<L>\n<S> = { name: 'b', scope: r }", "BCP144"),
        ("<M>\n<R> existing = { name: m.outputs.id, dependsOn: [ m ] }", "BCP433"),
        ("<M>\n<R> existing = { name: m.outputs.id }\n<S> = { name: 'b', dependsOn: [ r ] }", "BCP434"),
        ("module m 'p.bicepparam' = {}", "BCP277"),
        ("module m 's.bicep' = {}\nvar n = m\n@secure()\noutput o string = n.outputs.s", "BCP426"),
        ("module m 's.bicep' = [for i in []: {}]\noutput o array = map(m, n => n.outputs.s)", "BCP426"),
        ("<M>\nmodule n 's.bicep' = { identity: { type: 'UserAssigned', x: { '${m.outputs.id}': 1 } } }", "BCP120"),
        ("<R> = {\n  name: 'a'\n  resource s 'd' = { name: t.id }\n  resource t 'd' = { name: s.id }\n}", "BCP080"),
        ("param p string[]\noutput o int[] = p", "BCP034"),
        ("param p { a: string }\noutput o { a: int } = p", "BCP036"),
        ("param p object\nparam q string\nvar v = p.a[^q]", "BCP415"),
        ("type t = { n: { m: t } }?!", "BCP298"),
        ("<R> = { name: 'a', id: 'b' }", "BCP073"),
        ("@retryOn([ 'a' ], 0)\n<R> = { name: 'a' }", "BCP328"),
        ("@retryOn([ 1 ])\n<R> = { name: 'a' }", "BCP033"),
        ("<R> existing = [for i in []: { name: i }]\noutput o string = r[?0].name", "BCP323"),
        ("param p bool\n<R> = { name: 'a', scope: p ? resourceGroup() : subscription() }", "BCP420"),
        ("<M>\noutput o string = listKeys(m.outputs.id, '2020-01-01').a", "BCP181"),
        ("<R> existing = { name: 'k' }\nmodule m 'm.bicep' = { params: { name: r.getSecret('s') } }", "BCP180"),
        ("<R> existing = { name: 'a', properties: {} }", "BCP173"),
        ("<R> = { name: 'a', scope: any('b') }", "BCP176"),
        ("<R> = { name: 'a', dependsOn: [ 'b' ] }", "BCP034"),
        ("<R> = { name: 'a', properties: { '${1}': [for i in []: i] } }", "BCP143"),
        ("module m 'm.bicep' = { name: 1, params: { name: '' } }", "BCP036"),
        ("module m 'm.bicep' = { params: { name: '' }, identity: {} }", "BCP035"),
        ("module m 'm.bicep' = { params: { name: '' }, identity: { type: 'SystemAssigned' } }", "BCP088"),
        ("module m '' = {}", "BCP050"),
        ("module m 'a\\\\b.bicep' = {}", "BCP098"),
        ("module m 'a?.bicep' = {}", "BCP085"),
        ("var v = loadTextContent('/data.json')", "BCP051"),
        ("var v = loadTextContent('data.json.')", "BCP086"),
        ("var v = loadJsonContent('data.json', '$.')", "BCP235"),
        ("<R> = { name: 'a' }\n<S> = { name: 'a' }", "BCP121"),
        ("var n = 'a'\n<R> = { name: '${n}b' }\n<S> = { name: 'ab' }", "BCP121"),
        ("<M>\nmodule n 'm.bicep' = { name: 'a', params: { name: '' } }", "BCP122"),
        ("module m 'm.bicep' = {}", "BCP035"),
        ("module m 'm.bicep' = { params: { name: '', b: 1 } }", "BCP037"),
        ("module m 'm.bicep' = { params: { name: '' }, location: 'a' }", "BCP037"),
        ("module m 'm.bicep' = { params: any({}) }", "BCP183"),
        ("module m 'nowhere.bicep' = {}", "BCP091"),
        ("module m 'main.bicep' = {}", "BCP095"),
        ("module m '/m.bicep' = {}", "BCP051"),
        ("module m 'broken.bicep' = {}", "BCP104"),
        ("module m 'sub.bicep' = {}", "BCP134"),
        ("module m 'm.bicep' = { scope: subscription(), params: { name: '' } }", "BCP134"),
        ("targetScope = 'subscription'\nmodule m 'm.bicep' = { params: { name: '' } }", "BCP134"),
        ("targetScope = 'tenant'\nmodule m 'm.bicep' = { scope: resourceGroup('a'), params: { name: '' } }", "BCP071"),
        ("module m 'm.bicep' = { params: { name: '' } }\noutput o string = m.outputs.nothing", "BCP053"),
        ("<R> existing = { name: 'k' }\nvar v = r.getSecret('s')", "BCP180"),
        ("<R> existing = { name: 'a' }\nvar v = r.nothing()", "BCP109"),
        ("import { nothing } from 'shared.bicep'", "BCP360"),
        ("import { owner } from 'nowhere.bicep'", "BCP091"),
        ("import { owner } from 'broken.bicep'", "BCP104"),
        ("import * as s from 'shared.bicep'\nvar v = s.hidden", "BCP052"),
        ("import * as s from 'shared.bicep'\nvar v = s.g()", "BCP107"),
    ],
)  # fmt: skip
def test_what_the_compiler_refuses_of_resources_and_files_is_refused_with_its_code(text: str, wanted: str) -> None:
    assert wanted in [one.rule for one in errors(read(_full(text), _FILES))]
    assert plan(_full(text), _FILES).outcome == "refused"


@pytest.mark.parametrize(
    "text",
    [
        "param p string = null ?? 'a'",
        "param p string?\nvar v = p ?? 'a'\noutput o string = toUpper(p!)",
        "param p object\nvar v = p.a.b[0]\noutput o string = v",
        "param p any\noutput o int = p\nvar v = p.a + p[1]",
        "param p array\nvar v = map(p, x => x.a)\noutput o string = v[0]",
        "output o string = any(1)",
        "param p { a: string, *: int }\nvar v = p.b + 1",
        "type t = { next: t? }\nparam p t?\nvar v = p.?next.?next",
        "type t = string\nparam p t[]\nvar v = toUpper(p[0])",
        "param p 'a' | 'b' | null",
        "type t = ('a' | 1)[]\nparam p t = [ 'a', 1 ]",
        "type t = { a: t? }\ntype u = { *: u }\ntype w = (w?)[]",
        "@discriminator('k')\ntype t = { k: 'a' } | ({ k: 'b' } | { k: 'c', l: int })\nparam p t = { k: 'c', l: 1 }",
        "type t = [ string, { a: int } ]\nparam p t = [ 'a', { a: 1 } ]\noutput o int = p[1].a",
        "param p bool\noutput o string? = p ? 'a' : null\noutput q string = p ? 'a' : null",
        "@description('a')\n@metadata({ b: [ 'c' ] })\nparam p string",
        "<M>\n<R> existing = { name: m.outputs.id }\noutput o string = r.id",
        "<M>\n<R> = { name: m.name, properties: { a: m.outputs.id } }",
        "<R> existing = [for i in []: { name: i }]\noutput o array = [for i in []: r[i].properties.b]",
        "output o string = resourceGroup().location\nvar v = resourceGroup('a').?id",
        "<R> existing = { name: 'a' }\nfunc f() string => r.id\noutput o string = f()",
        "param i 0 | 1\nvar v = [ 'a', 'b', 'c' ]\noutput o 'a' | 'b' = v[i]",
        "func f(n int?) bool => n! > 60",
        "param p int?\nvar v = (p ?? 0) + 1\nvar w = p == null ? 0 : p + 1\nvar x = -(p!)",
        "type t = { '': string, 'a b': int }\ntype u = t['']\ntype v = t['a b']",
        "param p array\nvar v = flatten(p)\nvar w = flatten([ [ 1 ], p ])\nvar x = flatten(null ?? [])",
        "@discriminator('k')\ntype t = resourceInput<'A.B/c@2020-01-01'>.properties | { k: 'a' }",
        "param p { a: string }\nvar v = p.b\noutput o string = p['c d']",
        "param p object?\nvar v = { ...(p ?? {}), ...p! }",
        "import { both } from 'shared.bicep'\nvar v = '${both}a'\noutput o string = both",
        "module m 's.bicep' = [for i in []: {}]\noutput o string = m[0].outputs.s\nvar v = map(m, n => n.name)",
        "type t = { a: string, b: t? }\nparam p t\noutput o t = p\nparam q { a: string? }\noutput r { a: string } = q",
        "<L>\nparam n any\n<S> = { name: 'b', scope: r[n] }",
        "<L>\nvar ids = map(r, one => one.id)\noutput o array = map(r, one => one.id)\noutput p array = ids",
        "<L>\n<S> = { name: 'b', properties: { a: map(r, one => one.id), c: r[0].id }, dependsOn: [ r ] }",
        "<L>\n<S> = [for i in []: { name: i, properties: { a: r[0].id }, dependsOn: r }]",
        "<R> = [for i in []: { name: i }]\nvar v = r[0]\noutput o string = v.listKeys().keys[0].value",
        "var description = 'a'\n@sys.description('b')\nparam p string",
        "param p resourceInput<'A.B/c@2020-01-01'>.properties\nvar v = p.a",
        "var owner = 'x'\n<R> = [for owner in [ 'a' ]: { name: owner }]\n<S> = [for owner in [ 'a' ]: { name: owner }]",
        "<R> = if (true) { name: 'a' }\n<S> = if (1 == 2) { name: 'a' }",
        "<R> existing = { name: 'a', scope: resourceGroup('x', 'y') }\noutput o string = r.id",
        "<R> = { name: 'a', scope: tenant() }",
        (
            "<R> = {\n  name: 'a'\n  resource s 'd' = {\n    name: 'b'\n    resource t 'e' = { name: s.name }\n  }\n}\n"
            "output o string = r::s::t.id"
        ),
        "module m 'm.bicep' = { params: { name: null ?? 'a', count: null } }",
        (
            "module m 'm.bicep' = [for (x, i) in [ 'a' ]: if (i > 0) { name: x, params: { name: x } }]\n"
            "output o string = m[0].outputs.id"
        ),
        "module m 'br/public:avm/res/a:1' = { params: { anything: 1 } }\noutput o string = m.outputs.b",
        "import { x, f } from 'br/public:avm/utl/types:0.1'\nparam p x\nvar v = f(1)",
        "import { owner as o, kind, f } from 'shared.bicep'\nparam p kind = 'x'\nvar v = f(1)",
        "metadata a = { b: 'c' }\n@description('d')\nvar x = 1",
        "#disable-next-line no-unused-vars\nvar x = 1\n#disable-diagnostics BCP081\nvar y = 2",
        "extension microsoftGraph\nresource g 'Microsoft.Graph/groups@v1.0' = { displayName: 'a' }",
        "var subscription = 'a'\nvar v = '${subscription}${az.subscription().id}'",
    ],
)
def test_what_the_compiler_takes_is_taken(text: str) -> None:
    assert faults(read(_full(text), _FILES)) == []


def test_imports_are_computed_in_the_file_that_they_come_from() -> None:
    text = "import { f as g, owner } from 'shared.bicep'\nimport * as all from 'shared.bicep'\nvar both = 'mine'\n"
    found = plan(text + "output o array = [ g(1), owner, all.both, all.f(2) ]\n", _FILES)
    assert found.outputs["o"] == ["1-ab", "a", "ab", "2-ab"]


def test_imports_of_a_compiled_file_are_what_it_exports() -> None:
    compiled = {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "metadata": {"__bicep_exported_variables!": [{"name": "shown"}]},
        "definitions": {"kind": {"type": "string", "metadata": {"__bicep_export!": True}}},
        "functions": [{"namespace": "__bicep", "members": {"f": {
            "parameters": [{"name": "n", "type": "int"}],
            "output": {"type": "string", "value": "[format('{0}-{1}', parameters('n'), 'x')]"},
            "metadata": {"__bicep_export!": True},
        }}}],
        "variables": {"shown": "a", "hidden": "b"},
        "resources": [],
    }  # fmt: skip
    files = {"c.json": json.dumps(compiled)}
    text = "import { f, shown, kind } from 'c.json'\nparam k kind = 'y'\noutput o array = [ f(1), shown, k ]\n"
    assert plan(text, files).outputs["o"] == ["1-x", "a", "y"]
    assert faults(read("import { hidden } from 'c.json'\n", files)) == ["BCP360:1"]


def test_a_resource_in_another_is_below_it_and_deployed_only_with_it() -> None:
    text = (
        "param on bool = false\nresource a 'Microsoft.Storage/storageAccounts@2023-05-01' = if (on) {\n  name: 'st'\n"
        f"  resource b 'blobServices' = {{\n    name: 'default'\n  }}\n}}\nresource w '{EXEMPTION}' = {{\n"
        "  scope: a::b\n  name: 'w'\n  properties: {}\n}\n"
    )
    found = plan(text)
    (one,) = found.exemptions
    assert one.id == (
        f"{GROUP}/providers/Microsoft.Storage/storageAccounts/st/blobServices/default"
        "/providers/Microsoft.Authorization/policyExemptions/w"
    )
    template = read(text)
    assert [type(resource.condition).__name__ for resource in template.resources] == [
        "Parameter",
        "Parameter",
        "NoneType",
    ]


@pytest.mark.parametrize(
    ("type_", "wanted"),
    [
        ("microsoft.storage/storageaccounts@2023-05-01", "Microsoft.Storage/storageAccounts"),
        ("Microsoft.Unheard/ofs@2023-05-01", "Microsoft.Unheard/ofs"),
        ("microsoft.unheard/ofs@2023-05-01", None),
        ("microsoft.storage/storageaccounts@2015-06-15", None),
    ],
)
def test_types_are_spelled_in_ids_as_the_compiler_spells_them(type_: str, wanted: str | None) -> None:
    found = plan(f"resource r '{type_}' existing = {{ name: 'a' }}\noutput o string = r.id\n").outputs["o"]
    assert isinstance(found, Unknown) if wanted is None else found == f"{GROUP}/providers/{wanted}/a"


def test_a_module_that_is_not_read_is_unknown_with_its_reason() -> None:
    text = "module m '{}' = {{\n  name: 'a'\n}}\noutput o string = m.outputs.x\n"
    for path, reason in (("br:mcr.example/a:1", "registry"), ("ts:1/2/3:4", "registry"), ("../../x.bicep", "outside")):
        found = plan(text.format(path))
        assert found.outcome == "unknown"
        assert reason in found.outputs["o"].reason
        assert found.outputs["o"].place == ("main.bicep", 1, 10)


def test_modules_of_each_other_are_refused_and_both_read() -> None:
    files = {"a.bicep": "module b 'main.bicep' = {}\nvar x = nothing\n"}
    assert faults(read("module a 'a.bicep' = {}\nvar y = nothing\n", files)) == ["BCP104:1", "BCP057:2"]


def test_modules_deeper_than_are_read_are_unknown() -> None:
    files = {f"m{n}.bicep": f"module m 'm{n + 1}.bicep' = {{}}\n" for n in range(40)} | {"m40.bicep": ""}
    assert plan("module m 'm0.bicep' = {}\n", files).outcome == "unknown"


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("loadTextContent('a.txt')", "x\r\ny"),
        ("loadTextContent('u.txt', 'utf-16')", "é"),
        ("loadTextContent('u.txt')", "é"),
        ("loadFileAsBase64('a.txt')", "eA0KeQ=="),
        ("loadJsonContent('d/a.json')", {"a": [{"b c": 1}], "n": 1, "f": 1.5}),
        ("loadJsonContent('d/a.json', '$.a[0][\\'b c\\']')", 1),
        ("loadJsonContent('d/a.json', 'a')", [{"b c": 1}]),
        ("loadYamlContent('y.yaml', 'a.b')", "2027-01-31"),
        ("loadDirectoryFileInfo('d', '*.json')", [
            {"relativePath": "d/a.json", "baseName": "a.json", "extension": ".json"},
            {"relativePath": "d/B.json", "baseName": "B.json", "extension": ".json"},
        ]),
        ("map(loadDirectoryFileInfo('d'), x => x.extension)", [".json", ".json", ""]),
    ],
)  # fmt: skip
def test_files_are_loaded_as_the_compiler_loads_them(expression: str, wanted: Any) -> None:
    files: dict[str, str | bytes] = {
        "a.txt": "x\r\ny",
        "u.txt": b"\xff\xfe\xe9\0",
        "d/a.json": '{"a": [{"b c": 1}], "n": 1.0, "f": 1.50 // c\n}',
        "d/B.json": "{}",
        "d/c": "",
        "y.yaml": "a:\n  b: 2027-01-31\n",
    }
    assert value(expression, files) == wanted


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        ("loadTextContent('nowhere.txt')", "BCP091"),
        ("loadTextContent(p)", "BCP032"),
        ("loadTextContent('a.txt', 'utf-7')", "BCP070"),
        ("loadTextContent('large.txt')", "BCP184"),
        ("loadFileAsBase64('large.txt')", "BCP184"),
        ("loadTextContent()", "BCP071"),
        ("loadJsonContent('a.txt')", "BCP186"),
        ("loadJsonContent('a.json', 'b')", "BCP235"),
        ("loadYamlContent('twice.yaml')", "BCP340"),
    ],
)
def test_a_file_that_the_compiler_does_not_load_refuses_the_deployment(call: str, wanted: str) -> None:
    files = {"a.txt": "[1 2]", "a.json": "{}", "large.txt": "x" * 140_000, "twice.yaml": "a: 1\na: 2"}
    assert errors(read(f"param p string\nvar v = {call}\n", files))[0].rule == wanted


@pytest.mark.parametrize(
    "call",
    [
        "loadTextContent('../../etc/passwd')",
        "loadJsonContent('cut.json')",
        "loadTextContent('b.txt')",
        "loadYamlContent('bad.yaml')",
    ],
)  # fmt: skip
def test_what_is_loaded_and_not_certain_is_unknown(call: str) -> None:
    files: dict[str, str | bytes] = {"cut.json": '{"a": 1', "b.txt": b"\xe9", "bad.yaml": "a: [\n"}
    found = plan(f"output o object = {call}\n", files)
    assert isinstance(found.outputs["o"], Unknown)
    assert found.outcome == "unknown"


@pytest.mark.parametrize("target", ["o.?a!", "any(o.?a)", "any(any(o.?a.b)!.c)", "o.?a!.b!", "o[?'a']![0]"])
def test_what_says_nothing_of_a_value_does_not_end_a_chain_of_safe_accesses(target: str) -> None:
    found = plan(f"param o object = {{}}\noutput x string? = {target}.d")
    assert (found.outcome, found.outputs["x"]) == (Outcome.DEPLOYS, None)
    assert plan(f"param o object = {{}}\noutput x string? = ({target}).d").outcome == Outcome.REFUSED


def test_the_compiler_takes_a_qualified_decorator_on_a_property() -> None:
    assert not errors(read("type t = {\n  @sys.allowed([ 1, 2 ])\n  a: int\n}\nparam p t = { a: 3 }\n"))


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("format('$.subs[\\'{0}\\']', config.chosen)", "one"),
        ("'$.subs.${toUpper(config.names[1])}'", "two"),
        ("{ a: '$.subs.A' }.a", "one"),
        ("string(config.chosen)", None),
        ("length(config.names) > 1 ? '$.subs.A' : '$.subs.B'", None),
    ],
)
def test_a_text_that_the_compiler_computes_says_what_is_loaded(path: str, wanted: str | None) -> None:
    files: dict[str, str | bytes] = {
        "all.json": '{"subs": {"A": "one", "B": "two"}}',
        "config.json": '{"chosen": "A", "names": ["a", "b"]}',
    }
    bicep = f"var config = loadJsonContent('config.json')\nvar path = {path}\n"
    found = plan(f"{bicep}output o string = loadJsonContent('all.json', path)\n", files)
    if wanted is None:
        assert isinstance(found.outputs["o"], Unknown)
        assert found.outcome == "unknown"
    else:
        assert found.outputs["o"] == wanted


@pytest.mark.parametrize("path", ["format('{0}', p)", "resourceGroup().name", "'$.${p}'"])
def test_a_text_that_only_a_deployment_knows_loads_nothing(path: str) -> None:
    found = read(f"param p string\nvar v = loadJsonContent('a.json', {path})\n", {"a.json": "{}"})
    assert errors(found)[0].rule == "BCP032"


def test_a_text_that_the_variable_of_a_loop_says_loads_nothing() -> None:
    found = read("var v = [for i in [ 'a', 'b' ]: loadJsonContent('${i}.json')]\n", {"a.json": "{}", "b.json": "{}"})
    assert errors(found)[0].rule == "BCP032"


def test_resources_as_parameters_are_taken_where_experiments_may_be_switched_on() -> None:
    files = {"bicepconfig.json": '{"experimentalFeaturesEnabled": {"resourceTypedParamsAndOutputs": true}}'}
    assert faults(read("param p resource 'A.B/c@2020-01-01'\n", files)) == []


def test_a_secure_output_is_known_only_in_azure() -> None:
    files = {"m.bicep": "@secure()\noutput s string = 'a'\noutput t string = 'b'\n"}
    found = plan("module m 'm.bicep' = {}\noutput o array = [ m.outputs.s, m.outputs.t ]\n", files).outputs["o"]
    assert isinstance(found[0], Unknown)
    assert found[1] == "b"


@pytest.mark.parametrize("shown", ["o", "[ p ]", "v"])
def test_a_list_or_object_that_is_partly_unknown_is_unknown_as_a_text(shown: str) -> None:
    declared = f"param p string\nvar o = {{ a: p }}\nvar v = [ {{ b: [ p ] }} ]\nvar x = {shown}\n"
    found = plan(declared + "output y string = '${x}!'\n")
    assert (found.outcome, isinstance(found.outputs["y"], Unknown)) == (Outcome.DEPLOYS, True)


@pytest.mark.parametrize("expression", ["{ ...r, a: 1 }", "[ ...[ r ] ]", "f(r)", "f({ a: r })"])
def test_a_resource_as_a_value_is_unknown_and_refuses_nothing(expression: str) -> None:
    declared = _full("<R> existing = { name: 'a' }\nfunc f(o object) object => o\n")
    found = plan(f"{declared}output x object = any({expression})\n")
    assert found.outcome == Outcome.DEPLOYS
    assert first_unknown(found.outputs["x"]) is not None


def test_loaded_files_take_part_in_the_plan() -> None:
    found = plan("var v = loadJsonContent('data.json')\n", _FILES)
    assert found.paths == ["main.bicep", "data.json"]


def test_what_an_expression_says_of_a_resource_with_an_empty_name_refuses_nothing() -> None:
    source = """param id string?
resource vm 'Microsoft.Compute/virtualMachines@2024-07-01' existing = if (id != null) {
  name: last(split(id ?? '', '/'))!
}
resource e 'Microsoft.Authorization/policyExemptions@2022-07-01-preview' = if (id != null) {
  scope: vm
  name: 'one'
  properties: { policyAssignmentId: vm.id, exemptionCategory: 'Waiver' }
}
output name string = e.name
output id string = e.id
"""
    found = plan(source)
    assert found.outcome == "unknown"
    assert found.outputs["name"] == "one"
    assert isinstance(found.outputs["id"], Unknown)
    assert found.exemptions[0].deployed is False
