"""Two files of AzPolicyFactory must not use the same exemption name.

What it does: compares the exemption names in all files of an environment (a folder that is deployed together), in any
letter case. Equal names are a violation even if the scopes differ. Only `exg check` runs this rule.

Why: AzPolicyFactory makes one deployment for each exemption, and takes its name from the exemption's name. Two
exemptions with the same name pass all its checks. One template contains the deployments of all exemptions. Azure will
probably refuse this template, and then nothing in the environment is deployed.

Example: the exemption `pex-web` for two subscriptions, in two files.

Instead: put the subscription into the name: `pex-web-prod`, `pex-web-test`.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
- https://learn.microsoft.com/azure/azure-resource-manager/templates/linked-templates
"""

from guardrails.exemption.facts import Facts, Planned
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import Case, NoOptions, Outcome, Rule, never
from guardrails.rules.risks import AZPOLICYFACTORY, NO_CONTROL, NO_REVERT, report, sample

NAME = "deployment-names-collide"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where its deployer does so."""
    return report(facts, NAME)


RULE = Rule(
    code="EXG650",
    name=NAME,
    severity=Severity.MEDIUM,
    soc2=("CC8.1",),
    remediation="Give each exemption of the environment its own name.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("the tool does what the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "two files with one name",
            NAME,
            "b.json has this name too: both deployments get one name, and Azure will probably refuse all files",
            "a name of its own",
            AZPOLICYFACTORY,
        ),
    ),
    risk=True,
    no_revert=NO_REVERT,
)
