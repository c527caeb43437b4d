"""The page docs/check.md: how to check code, and what the readers understand, found by trying. Pure."""

# ruff: noqa: E501 - lines of tables, and of what the command prints

from collections.abc import Iterable
from textwrap import wrap
from typing import Final

from guardrails.check.config import NAME
from guardrails.cli.check_probes import ARM, BICEP, KNOWN, Probe, functions, tried
from guardrails.files.bicep_signatures import LOADS
from guardrails.files.walk import LARGEST

_INTRO: Final = """\
# Check ARM and Bicep files before they are deployed

`exg check` judges the exemptions that ARM templates and Bicep files would deploy, by the same [ruleset](ruleset.md) as
the service. It computes values as Azure's deployment engine does. If the files do not determine a value, the value is
*unknown*. The output gives the reason, and the option that makes the value known.

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

- `check` walks folders and honours `.gitignore`. It recognises templates and parameter files by their content.
- A template is checked once for each parameter file: each `.bicepparam` file that uses it, or `X.parameters.json`
  beside `X.json`. `--parameters FILE` names others.
- A template that another checked file uses as a module is checked once for each use, with the values of that use.
  Without a parameter file, the module is not checked by itself.
- An exemption whose condition is false is listed and not judged. If the condition is unknown, the exemption is judged
  as if it were deployed.
- The rule `duplicate` compares the exemptions in checked files with each other. It also compares them with deployed
  exemptions, if you give a file with those to [`--azure`](#where-and-when-it-is-deployed).
- For exemptions that were saved from Azure, use `exg judge`.

`check` also reads the files of two deployment tools:

- **EPAC** (Enterprise Azure Policy as Code): `check` computes which exemptions EPAC would create, change and delete.
- [**AzPolicyFactory**](glossary.md#policy): each JSON file has one exemption, in the property `policyExemption`. Give
  the deployment's management group with `--deploy-to`. AzPolicyFactory deploys all JSON files of one folder together.
  `check` recognises such a folder by its parent folder: the parent folder has the name `policyExemptions`, or contains
  a file `policyExemption.schema.json`. If your folders are elsewhere, give each of them to `check` as PATH. If you give
  a single file as PATH, `check` ignores the other files of its folder.

[Where each rule runs](rules/README.md#where-each-rule-runs) shows which rules `check` runs, and which of them are
unknown without the assignment. The [rules on code](rules/README.md#exemptions-in-code) run only in `check`."""

_DIFF: Final = """\
## What a change does

`--diff REV` compares the working tree with a git revision, and shows the effect of the change on each exemption:

```sh
exg check . --diff origin/main
exg check . --diff "$(git merge-base origin/main HEAD)"    # only what this branch changed
```

In this example, one of the two changed exemptions counts twice, as extended and as widened:

```text
since origin/main (52ab4656db85): 2 exemptions change: 1 added, 1 extended, 1 widened; 14 do not change
findings that the change brings or makes worse: 1 violation
not shown: 20 findings that were there before

extended, widened: /subscriptions/ID/resourceGroups/web/providers/Microsoft.Authorization/policyExemptions/legacy
  at infra/modules/exemption.bicep:3; deployed by infra/main.bicep:4; with the parameters of infra/prod.bicepparam
  it ends 2027-11-30 00:00 UTC instead of 2026-12-31 00:00 UTC: 334 days later [through infra/prod.bicepparam:2]
  it exempts from the whole assignment instead of tls, dns
```

`[through FILE:LINE]` shows where the change is, if it is not in the exemption's own file.

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
| changed | differs in something else, such as its owner |
| kept | is kept by EPAC now; before the change, EPAC would have deleted it |
| unknown | may differ; the output says why this cannot be known |

- Each side is checked with the options of the command line and its own `.exg-check.yaml`. If the revision lacks a file
  of `--azure` or `--epac-settings`, both sides use the current file, and a note says so.
- In a file of EPAC or AzPolicyFactory, an *entry* describes one exemption. If your change has one of these effects, the
  output names it:
  - The tool now creates no exemption from an entry.
  - The tool now ignores a key of an entry.
  - EPAC now deletes an exemption in Azure.
- If a value is unknown on both sides, it counts as unchanged only if the expression and the options are the same.
- If an end depends on the time of deployment, `check` computes the end as if both sides were deployed now.
- The output names each unreadable file. If a new exemption may already be in an unreadable file of the revision, it is
  *unknown*, not *added*. If `.gitignore` excludes a file only before your change, or only after
  it, the exemptions in this file are *unknown* too.
- Two deployments can create the same exemption. Azure then keeps what the later deployment wrote. If your change adds or
  removes one of these deployments, the exemption is *changed*. The output shows the differences between what the two
  deployments write.

Only effects of the change count for the exit code:

| exit code | with `--diff` |
| --- | --- |
| 1 | the change brings a violation, or makes an old one *worse* |
| 2 | a file cannot be read, or a deployment would be refused. An old problem does not count. A problem is old if the revision has it too, and the change does not edit the file with the problem |
| 3 | with `--strict`: a finding is newly unknown, a change is unknown, or a file of the revision could not be read |

A violation counts as worse if its evidence has changed in any way. Example: an expiry that was too late is now later.
But if the change only narrows or shortens the exemption, no violation counts as worse. A change that extends an
exemption but breaks no rule does not fail the check. Old findings are counted, not shown. `--format json` adds `diff`.
SARIF keeps all findings and marks them with `baselineState`.

A shallow clone may lack the revision: use `fetch-depth: 0`. `check` reads no submodules of the revision, and takes no
`--compiler` with `--diff`.
"""

_WORLD: Final = f"""\
## Where and when it is deployed

`exg check --help` explains each option. The options in this table make values known:

| option | unknown without it |
| --- | --- |
| `--deploy-to ID`, once for each kind of scope that your templates deploy to. The id of a resource group also sets the subscription | ids, and names made of them |
| `--tenant ID`, `--location REGION`, `--deployment-name NAME` | what depends on them |
| `--now TIME`, the time of the deployment | `utcNow()`. Without this option, the rules judge as of the current time |
| `--azure FILE` (also called `--assignments`): a file with objects that you saved from Azure, such as assignments, initiatives and exemptions. Repeat the option for more files. If these files together contain all such objects that exist in Azure, add `--azure-complete`. Or use `--online`: `check` then reads the objects from Azure, with your own login | the results of rules that need the assignment |
| `--time-zone NAME`, `--culture NAME` (.NET's language and region settings, such as `de-DE`) of the machine that runs EPAC or AzPolicyFactory | dates that the tool reads in this time zone or culture |

- `--next-run 7d` says that the code is deployed again after 7 days. The rule
  [`ends-before-next-run`](rules/ends-before-next-run.md) finds exemptions that end before that. Without this option,
  the rule does not check anything, and every exemption passes it.
- `--epac-settings FILE` names EPAC's file of settings, `global-settings.jsonc`. Without this option, `check` looks for
  this file in the folders above the folder with the exemption files, and takes the nearest one.
- `--pac-selector NAME` chooses EPAC's environment. Without this option, the folder that contains the exemption files
  names the environment. For files in `policyExemptions/prod`, `check` takes the environment `prod`.
- All these options may also be in a file `{NAME}` ([schema](check-config.schema.json)). For each checked file,
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

The exit code is 1 for a violation, 2 if a file could not be read or a deployment would be refused, and 3, only with
`--strict`, if something is unknown. With `--fail-on medium`, only violations of severity medium or high count. If one
file is broken, `check` still judges the other files, and the good entries of the broken file.

| `--format` | for |
| --- | --- |
| `text` | people. `--explain` shows where each value comes from |
| `json` | programs ([schema](check.schema.json)). If a value of an exemption is unknown, it is null, and the field `unknown` of this exemption has the name of the value and the reason |
| `sarif` | code scanning, without the exemptions that the ruleset excludes. Unknown findings are included with `--strict` |
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

The first `exg check` fails the job only with exit code 2 or higher; the last step fails it if there is a violation. To
see only what the pull request changes, check out with `fetch-depth: 2`, and add `--diff HEAD^1`.

## Pull requests from strangers

`check` executes no code. It reads from Azure only with the option `--online`, and otherwise sends no requests. It opens
no file outside the repository's root, even through a link, and no file of more than {LARGEST // 2**20} MiB. Loops, recursion, sizes and
patterns have limits. Text from a file never becomes a command or markup in a terminal, a workflow, a Markdown page or
code scanning.

`--compiler FILE` is different: it runs a Bicep compiler, as `FILE build --no-restore --stdout X.bicep`, and the compiler
can read files outside the repository if a Bicep file loads them. If `check` cannot compute a value, it uses the value
that the compiler computed. If both compute a value and the values differ, `check` reports an error. Tests of this
option use recorded output of Bicep 0.49.2, and no real compiler.

## What is understood

`exg docs` made these lists by checking a small file for each construct.
"""

_FUNCTIONS: Final = f"""\
In Bicep and in ARM templates, `check` knows the functions of the list below. The result is unknown if only Azure knows
it, as for `reference` and `list…`. In Bicep, `check` also knows `any`, `nameof`, and the functions that load files:
{", ".join(f"`{name}`" for name in sorted(LOADS))}."""


def page(made_from: str) -> str:
    """Return the page. `made_from`: its first line."""
    names = "\n".join(wrap(" ".join(functions()), 120))
    parts = (
        made_from, _INTRO, _DIFF.rstrip(), _WORLD.rstrip(), "### Bicep and `.bicepparam`", _tried(BICEP),
        "### ARM templates and parameter files", _tried(ARM), "### Functions",
        f"{_FUNCTIONS}\n\n```text\n{names}\n```",
    )  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _tried(probes: Iterable[Probe]) -> str:
    """Return what is known, a list in a sentence, and what is not, as a table."""
    found = {one.what: tried(one) for one in probes}
    known = "; ".join(what for what, said in found.items() if said == KNOWN)
    rows = [f"| {what} | {said.replace('|', '/')} |" for what, said in found.items() if said != KNOWN]
    table = ("| not known | the output says |", "| --- | --- |", *rows)
    return "\n".join((*wrap(f"Known: {known}.", 120, break_on_hyphens=False), "", *table))
