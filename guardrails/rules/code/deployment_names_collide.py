"""Files of AzPolicyFactory must have different names of exemptions.

What it does: compares the names in all files of an environment, whatever their letter case, also where their scopes
differ. Only `exg check` runs this rule.

Why: AzPolicyFactory names the deployment of each exemption after the exemption. Two with one name pass all its checks
(seen with commit a0362fe); Azure should refuse the template, and then nothing of the environment is deployed.

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
    remediation="Give each exemption of the environment a name of its own.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("its deployer does as the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "two files with one name",
            NAME,
            "b.json has this name, too: their deployments get one name, which stops all of them in Azure",
            "a name of its own",
            AZPOLICYFACTORY,
        ),
    ),
    no_revert=NO_REVERT,
)
