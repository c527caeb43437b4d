from typing import Final

from guardrails.evaluation.deploy import deploy
from guardrails.files.arm_template import read_template
from guardrails.files.bicep_library import Library
from guardrails.files.bicep_parameters import read_parameters
from guardrails.files.walk import Repository
from tests.oracles.bicep import FOLDER
from tests.oracles.compare import Tally, compare_expression, compare_plan, expected, expressions, needed, world

_TYPES: Final = {str: "string", bool: "bool", int: "int", list: "array", dict: "object"}


def _library() -> Library:
    return Library(Repository(FOLDER.resolve()), lambda path, data: read_template(data.decode(), path))


def test_files_deploy_what_the_compiler_and_the_engine_make_of_them() -> None:
    needed()
    tally, library = Tally(), _library()
    for path in sorted(FOLDER.glob("[0-4]?-*.bicep")):
        wanted = expected(path.name)
        template = library.read(path.name, path.read_bytes()).template
        given = wanted.get("parameters")
        parameters = read_parameters(given, (FOLDER / given).read_bytes(), library) if given else None
        compare_plan(tally, wanted, deploy(template, world(wanted["scope"]), parameters))
    tally.check("Bicep files")


def test_expressions_have_the_values_that_the_engine_computes() -> None:
    needed()
    tally = Tally()
    for one in expressions("bicep"):
        kind = _TYPES.get(type(one.get("value")), "object?")
        text = f"var v = {one['expression']}\noutput x {kind} = any(v)\n"
        template = _library().read("x.bicep", text.encode()).template
        compare_expression(tally, one, deploy(template, world("resourceGroup")))
    tally.check("Bicep expressions")


def test_a_refused_file_names_the_place_of_the_compilers_error() -> None:
    needed()
    library = _library()
    for name in ("41-wrong-scope.bicep", "45-broken-in-the-middle.bicep"):
        (error,) = (one for one in expected(name)["diagnostics"] if one["level"] == "error")
        (ours,) = library.read(name, (FOLDER / name).read_bytes()).template.diagnostics
        assert (ours.rule, ours.place.line, ours.place.column) == (error["code"], error["line"], error["column"])
