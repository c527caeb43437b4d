"""The page docs/check.md: how to check code, and what the readers understand, found by trying. Pure."""

# ruff: noqa: E501 - lines of tables, and of what the command prints

from collections.abc import Iterable
from typing import Final

from guardrails.check.config import NAME
from guardrails.cli.check_probes import ARM, BICEP, Probe, functions, tried
from guardrails.files.walk import LARGEST
from guardrails.rules import all_rules
from guardrails.rules.base import Stage, title_of

_INTRO: Final = """\
# Check ARM and Bicep files before they are deployed

Most exemptions begin in a pull request. `exg check` judges the exemptions that ARM templates and Bicep files would
deploy, by the same [ruleset](ruleset.md) as the service. It computes their values as Azure's deployment engine does.
A value that cannot be known from the files is *unknown*, with its reason and the option that would settle it.

```sh
exg check infra/
exg check main.bicep --deploy-to /subscriptions/ID/resourceGroups/NAME
```

A finding names the exemption, the file, the line and the fix:

```text
infra/main.bicep:2:1: violation: /subscriptions/ID/resourceGroups/NAME/providers/Microsoft.Authorization/policyExemptions/w
  EXG101 expiry-missing (high): it never expires
    at infra/main.bicep:9:5
    9 | expiresOn: null
        ^
    fix: expiresOn: a time
```

## What is checked

- `check` walks folders and honours `.gitignore`. It finds templates and parameter files by their content.
- A template that another checked file uses as a module is checked through that file, once for each call.
- A template is checked once for each parameter file: each `.bicepparam` file that uses it, or `X.parameters.json`
  beside `X.json`. `--parameters FILE` names others.
- An exemption whose condition is false is listed and not judged. If the condition is unknown, it is judged as if it
  were deployed, once.
- A file of AzPolicyFactory has one exemption in `policyExemption`. The files of a folder are deployed together: the
  folders next to `policyExemption.schema.json`, those in a folder `policyExemptions`, or the folder that you name. A
  file that you name is checked alone. Checks, build step and template are those of AzPolicyFactory (commit a0362fe,
  2026-08); they were compared with recorded answers. Use `--deploy-to` for the management group of the deployment, and
  `--time-zone` for the runner: it decides about an end with an offset.
- Exemptions that were saved from Azure are no code: `check` names `exg judge`, which takes them.
- `duplicate` compares the exemptions of all checked files, and those in the files of `--azure`.

## Rules

[Where each rule runs](rules/README.md#where-each-rule-runs) lists all rules. Three kinds differ in `check`:"""

_DIFF: Final = """\
## What a change does

`--diff REV` compares the working tree with a revision of git, and says what the change does to each exemption:

```sh
exg check . --diff origin/main
exg check . --diff "$(git merge-base origin/main HEAD)"    # only what this branch changed
```

```text
since origin/main (52ab4656db85): 2 exemptions change: 1 added, 1 extended, 1 widened; 14 do not change
findings that it brings or makes worse: 1 violation; 20 that were there before (not shown)

extended, widened: /subscriptions/ID/resourceGroups/web/providers/Microsoft.Authorization/policyExemptions/legacy
  at infra/modules/exemption.bicep:3; deployed by infra/main.bicep:4; with the parameters of infra/prod.bicepparam
  it ends 2027-11-30 00:00 UTC instead of 2026-12-31 00:00 UTC: 334 days later [through infra/prod.bicepparam:2]
  it exempts from the whole assignment instead of tls, dns
```

| word | the exemption |
| --- | --- |
| added, removed | is, or is no longer, made by a deployment; for removed ones, what becomes of them in Azure is said |
| retargeted | exempts from another assignment, or its assignment assigns something else |
| moved | has another scope or name |
| extended, shortened | ends later or never; ends earlier |
| widened, narrowed | exempts from more or fewer policies, resources or scopes; `Mitigated` that becomes `Waiver` widens |
| unknown | may differ, which cannot be known: the reason is said |
| changed | differs in something else, such as its owner |
| kept | was about to be deleted by EPAC, and is not now |

- Both sides are checked in the same way, with the options of the command line and the `.exg-check.yaml` of each side.
  A file of `--azure` or `--epac-settings` that the revision does not have is used for both, and a note says so.
- `[through FILE:LINE]` names the parameter, module, loaded file, settings, or file of `--azure` through which a change
  comes, if that is not the exemption's own file.
- For EPAC and AzPolicyFactory, the plans of both sides are compared: an entry that EPAC drops, a key that it ignores
  and what it deletes in Azure count.
- A value that is unknown on both sides is the same only if it comes of the same expression, with the same options. Else
  it may differ.
- An end that is computed at deployment is compared as if both sides were deployed now.
- What could not be read on either side is named. An exemption that such a file may hold is unknown, not added.

The exit codes keep their meanings, but only what the change brings counts:

| exit code | with `--diff` |
| --- | --- |
| 0 | nothing below |
| 1 | a violation that is new, or that has other evidence than before and no better one |
| 2 | a file could not be read, or a deployment would be refused, unless the same was so before and the file did not change |
| 3 | with `--strict`: a finding is newly unknown, a change is unknown, or a file of the revision could not be read |

Findings that were there before are counted, not shown. `--format json` adds `diff`, SARIF keeps all findings and marks
them with `baselineState`, and Markdown shows a table for a comment. A change that keeps all rules does not fail,
however far it extends an exemption.

The revision is read from git's objects: nothing is checked out, run or fetched. No hook, filter or configured program
runs, and submodules are not entered. A shallow clone may lack the revision: use `fetch-depth: 0`. `--compiler` cannot
be used with `--diff`.
"""

_WORLD: Final = f"""\
## Where and when it is deployed

| option | says | without it, unknown is |
| --- | --- | --- |
| `--deploy-to ID` | the scope: a resource group, subscription or management group, or `/` for the tenant. Repeat it for templates of several kinds; a resource group also gives its subscription | ids, and names made of them |
| `--tenant ID`, `--location REGION`, `--deployment-name NAME` | the tenant, the region, `deployment().name` | what depends on them |
| `--now TIME` | the time of the deployment | `utcNow()`; the rules then judge as of the present |
| `--next-run 7d` | when the code is deployed again | nothing; `ends-before-next-run` passes |
| `--azure FILE` | objects of Azure as Resource Graph, `az` or ARM give them: management groups, subscriptions, resource groups, resources, policies, initiatives, assignments, exemptions. `--assignments` is the same | the rules that need the assignment |
| `--azure-complete` | what these files do not hold does not exist | |
| `--online` | asks Azure for the assignments, with your own login; it only reads | |
| `--epac-settings FILE`, `--pac-selector NAME`, `--epac-switch NAME[=VALUE]` | EPAC's settings, environment and switches | the nearest `global-settings.jsonc`; the name of the folder |
| `--time-zone NAME`, `--culture NAME` | the runner of EPAC or AzPolicyFactory | what depends on them |

These may also be in a file `{NAME}` ([schema](check-config.schema.json)). The nearest one above a file counts.
An option of the command line goes before it.

```yaml
version: 1
azure: [azure/assignments.json]
paths:
  "prod/**": {{deploy_to: [/subscriptions/ID/resourceGroups/prod], next_run: 7d}}
  "test/**": {{deploy_to: [/subscriptions/ID/resourceGroups/test]}}
```

The file cannot choose the ruleset, what fails, or a program to run: it comes with the code that is checked.

## Results

| exit code | meaning |
| --- | --- |
| 0 | nothing below |
| 1 | a violation; with `--fail-on high`, of this severity or a worse one |
| 2 | a file could not be read, or a deployment would be refused |
| 3 | with `--strict`: something is unknown |

One broken file hides neither the others nor the good entries of the same file. `--explain` shows where each value comes
from. `--format` takes:

| format | for |
| --- | --- |
| `text` | people |
| `json` | programs: [check/1](check.schema.json). Every unknown place holds null and is named in `unknown` |
| `sarif` | code scanning. Exemptions that the ruleset excludes are left out; with `--strict`, unknown findings are in |
| `markdown` | a comment at a pull request, or the summary of a job |

## GitHub Actions

```yaml
on: pull_request
permissions: {{contents: read, security-events: write}}
jobs:
  exemptions:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/checkout@v4
        with: {{repository: YOUR-ORG/exemption-guardrails, path: .exg}}
      - uses: actions/setup-python@v5
        with: {{python-version: "3.13"}}
      - run: pip install ./.exg
      - run: exg check infra --format sarif > exg.sarif || test $? -lt 2
      - uses: github/codeql-action/upload-sarif@v3
        with: {{sarif_file: exg.sarif}}
      - run: exg check infra --format markdown >> "$GITHUB_STEP_SUMMARY"
```

For what the pull request changes only, check out with `fetch-depth: 2`, and add `--diff HEAD^1`.

The last step fails the job by its exit code; the first run fails it only if something could not be read.

## Strangers' pull requests

`check` executes and fetches nothing. It opens no file outside the repository's root, whatever a link or a path says,
and none of more than {LARGEST // 2**20} MiB. Loops, recursion, sizes and patterns have limits. The output holds nothing that a
terminal, a workflow, Markdown or code scanning obeys.

`--compiler FILE` runs a Bicep compiler, as `FILE build --no-restore --stdout X.bicep`. It fills what is unknown. Each
disagreement is an error, and places stay those of `check`. The compiler may read what a file loads from outside the
repository. It was tested with recorded answers of Bicep 0.49.2, not with a compiler itself.

## What is understood

`exg docs` makes these tables: it reads and computes a small file for each row.
"""

_FUNCTIONS: Final = (
    "Both languages use one table. A call of any other function is unknown. Those that ask Azure are unknown, too:"
)


def page(made_from: str) -> str:
    """Return the page. `made_from`: its first line."""
    history = ", ".join(f"`{one.name}`" for one in all_rules().values() if one.stage is Stage.AZURE)
    code = "\n".join(
        f"- [`{one.name}`](rules/{one.name}.md): {title_of(one)[:1].lower()}{title_of(one)[1:]}"
        for one in all_rules().values()
        if one.stage is Stage.CODE
    )
    rules = (
        f"Rules that need history or an author are not run, and are named once: {history}.\n\n"
        "Rules that need the assignment are unknown without it.\n\n"
        f"Rules that only `check` runs. The ruleset sets their severity, and `off` switches one off:\n\n{code}"
    )
    names = ", ".join(f"`{name}`" for name in functions())
    parts = (
        made_from, _INTRO, rules, _DIFF.rstrip(), _WORLD.rstrip(), "### Bicep and `.bicepparam`", _table(BICEP),
        "### ARM templates and parameter files", _table(ARM), "### Functions",
        f"{_FUNCTIONS}\n\n{names}.",
    )  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _table(probes: Iterable[Probe]) -> str:
    rows = [f"| {one.what} | {tried(one).replace('|', '/')} |" for one in probes]
    return "\n".join(("| construct | value |", "| --- | --- |", *rows))
