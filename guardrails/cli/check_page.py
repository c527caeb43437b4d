"""The page docs/check.md: how to check code, and what the readers understand, found by trying. Pure."""

# ruff: noqa: E501 - lines of tables, and of what the command prints

from collections.abc import Iterable
from typing import Final

from guardrails.check.config import NAME
from guardrails.cli.check_probes import ARM, BICEP, Probe, functions, tried
from guardrails.files.walk import LARGEST
from guardrails.rules import all_rules
from guardrails.rules.base import Stage

_INTRO: Final = """\
# Check ARM and Bicep files before they are deployed

Most exemptions begin in a pull request. `exg check` judges the exemptions that ARM templates and Bicep files would
deploy, by the same [ruleset](ruleset.md) as the service. `check` computes their values as Azure's deployment engine
does. If the files do not determine a value, the value is *unknown*. The output gives the reason, and the option that
makes the value known.

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
- If another checked file uses a template as a module, `check` checks the module once for each use, with the values of
  that use. Without a parameter file, the module is not checked by itself.
- A template is checked once for each parameter file: each `.bicepparam` file that uses it, or `X.parameters.json`
  beside `X.json`. `--parameters FILE` names others.
- An exemption whose condition is false is listed and not judged. If the condition is unknown, the exemption is judged
  once, as if it were deployed.
- For the files of EPAC (Enterprise Azure Policy as Code), `check` computes EPAC's plan.
- AzPolicyFactory is a tool that deploys policy objects from JSON files. Each file has one exemption, in the property
  `policyExemption`. A folder belongs to AzPolicyFactory if you name the folder, or if its parent folder is called
  `policyExemptions` or contains `policyExemption.schema.json`. The files of such a folder are deployed together. A file
  that you name is checked alone. `check` imitates AzPolicyFactory of August 2026 (commit a0362fe). Give the
  deployment's management group with `--deploy-to`.
- EPAC and AzPolicyFactory read some dates in the time zone of the *runner*, the machine that runs the pipeline: give
  this time zone with `--time-zone`.
- For exemptions that were saved from Azure, use `exg judge`.
- The rule `duplicate` compares all exemptions with each other: those in checked files, and the deployed ones that you
  give with [`--azure`](#where-and-when-it-is-deployed).

## Rules

[Where each rule runs](rules/README.md#where-each-rule-runs) lists all rules. Three kinds of
rules behave differently in `check`:"""

_DIFF: Final = """\
## What a change does

`--diff REV` compares the working tree with a git revision, and shows the effect of the change on each exemption:

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
| added | is now deployed |
| removed | is no longer deployed. The output says whether Azure keeps it |
| retargeted | names another assignment, or the named assignment now applies another policy or initiative |
| moved | has another scope or name |
| extended | ends later, or never |
| shortened | ends earlier |
| widened | covers more policies, resources or scopes, or is now a `Waiver` instead of `Mitigated` |
| narrowed | covers fewer policies, resources or scopes |
| unknown | may differ; the output says why this cannot be known |
| changed | differs in something else, such as its owner |
| kept | is kept by EPAC now; before the change, EPAC would have deleted it |

- Both sides are checked in the same way, with the options of the command line and the `.exg-check.yaml` of each side.
  If the revision lacks a file of `--azure` or `--epac-settings`, both sides use the current file, and a note says so.
- If a change is not in the exemption's own file, `[through FILE:LINE]` shows where it is: in a parameter, a module, a
  loaded file, the settings, or a file of `--azure`.
- For EPAC and AzPolicyFactory, `check` compares both sides' plans. So a dropped entry, an ignored key, and an exemption
  that EPAC deletes in Azure are changes too.
- If a value is unknown on both sides, it counts as unchanged only if the expression and the options are the same.
- If an end depends on the time of deployment, `check` computes the end as if both sides were deployed now.
- The output names each unreadable file of either side. If an exemption looks new, but may already be in an unreadable
  file of the revision, it is *unknown*, not *added*. If `.gitignore` excludes a file on one side only, the exemptions
  in this file are *unknown* too.
- If deployments A and B create the same exemption, Azure keeps the result of the last one. If a change removes B, the
  exemption is *changed*: `check` compares what B created with what A creates. The same applies if a change adds B.

The exit codes keep their meanings, but only effects of the change count:

| exit code | with `--diff` |
| --- | --- |
| 0 | none of the cases below |
| 1 | the change brings a violation, or makes an old one *worse* |
| 2 | a file could not be read, or a deployment would be refused. The problem does not count if the revision has the same problem, and the file has not changed |
| 3 | with `--strict`: a finding is newly unknown, a change is unknown, or a file of the revision could not be read |

A violation whose evidence has changed counts as worse: for example, an expiry that was too late is now later.
Exception: the change only narrows or shortens the exemption.

Old findings are counted, not shown. `--format json` adds `diff`. SARIF keeps all findings and marks them with
`baselineState`.  A change that extends an exemption but breaks no rule does not fail the check.

`check` reads the revision from git's objects, without submodules, checkout, fetch or hooks. A shallow clone may lack
the revision: use `fetch-depth: 0`. `--compiler` cannot be used with `--diff`.
"""

_WORLD: Final = f"""\
## Where and when it is deployed

| option | meaning | unknown without it |
| --- | --- | --- |
| `--deploy-to ID` | the scope: a resource group, subscription or management group, or `/` for the tenant. Give one for each kind of scope that your templates deploy to. The id of a resource group also sets the subscription | ids, and names made of them |
| `--tenant ID`, `--location REGION`, `--deployment-name NAME` | the tenant, the region, `deployment().name` | what depends on them |
| `--now TIME` | the time of the deployment | `utcNow()`. The rules use the current time |
| `--next-run 7d` | when the code is deployed again | nothing; `ends-before-next-run` passes |
| `--azure FILE` | objects from Resource Graph, `az` or ARM: management groups, subscriptions, resource groups, resources, policies, initiatives, assignments, exemptions. `--assignments FILE` is another name of this option | the rules that need the assignment |
| `--azure-complete` | the files of `--azure` are complete: an object that is not in them does not exist | |
| `--online` | reads the assignments from Azure, with your own login | |
| `--epac-settings FILE`, `--pac-selector NAME`, `--epac-switch NAME[=VALUE]` | EPAC's settings, environment and switches | nothing. Default: the nearest `global-settings.jsonc`, and the environment with the name of the folder of exemptions |
| `--time-zone NAME`, `--culture NAME` | time zone and culture (.NET's language and region settings, such as `de-DE`) of the machine that runs EPAC or AzPolicyFactory | what depends on them |

These options may also be in a file `{NAME}` ([schema](check-config.schema.json)). For each checked file,
the nearest such file counts, in the same folder or above. An option on the command line overrides it.

```yaml
version: 1
azure: [azure/assignments.json]
paths:
  "prod/**": {{deploy_to: [/subscriptions/ID/resourceGroups/prod], next_run: 7d}}
  "test/**": {{deploy_to: [/subscriptions/ID/resourceGroups/test]}}
```

The author of the checked code can change this file. So the file cannot choose the ruleset, decide when `check` fails,
or run a program.

## Results

| exit code | meaning |
| --- | --- |
| 0 | none of the cases below |
| 1 | a violation. With `--fail-on medium`, only violations of severity medium or high count |
| 2 | a file could not be read, or a deployment would be refused |
| 3 | with `--strict`: something is unknown |

If one file is broken, `check` still judges the other files, and the good entries of the broken file. `--explain` shows
where each value comes from. `--format` takes:

| format | for |
| --- | --- |
| `text` | people |
| `json` | programs: [check/1](check.schema.json). An unknown value is null, and `unknown` names it |
| `sarif` | code scanning. Exemptions that the ruleset excludes are left out. With `--strict`, unknown findings are included |
| `markdown` | a comment on a pull request, or the summary of a job |

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

To see only what the pull request changes, check out with `fetch-depth: 2`, and add `--diff HEAD^1`.

The last step fails the job if it finds a violation. The first `exg check` fails the job only with exit code 2 or
higher.

## Pull requests from strangers

`check` executes no code and fetches nothing. It opens no file outside the repository's root, even through a link, and
no file of more than {LARGEST // 2**20} MiB. Loops, recursion, sizes and patterns have limits. Text from a file never becomes a
command or markup in a terminal, a workflow, a Markdown page or code scanning.

`--compiler FILE` runs a Bicep compiler, as `FILE build --no-restore --stdout X.bicep`. If `check` does not know a
value, it takes the value from the compiler's result. If `check` and the compiler compute different values, that is an
error. Findings keep the file and line that `check` found. Warning: the compiler can read files outside the repository,
if a Bicep file loads them. Tests of this option use recorded output of Bicep 0.49.2, and no real compiler.

## What is understood

`exg docs` generates these tables. For each row, it checks a small example file.
"""

_FUNCTIONS: Final = (
    "If only Azure knows the result of a function, such as `reference`, the result is unknown. `check` knows no functions"
    " besides these; the list is the same for Bicep and ARM templates:"
)


def page(made_from: str) -> str:
    """Return the page. `made_from`: its first line."""
    history = ", ".join(f"`{one.name}`" for one in all_rules().values() if one.stage is Stage.AZURE)
    rules = (
        f"- Rules that need the history or the author do not run. The output names them once: {history}.\n"
        "- Rules that need the assignment are unknown without it.\n"
        "- The [rules on code](rules/README.md#exemptions-in-code) run only in `check`. The ruleset sets their severity,"
        " and `off` switches one off."
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
