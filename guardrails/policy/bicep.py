"""policies.bicep: creates the definitions and initiatives at a management group. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any


def bicep(reporting: Sequence[Mapping[str, Any]], refusing: Sequence[Mapping[str, Any]], more: str) -> str:
    """Return the file for what reports and what refuses: definitions, and their initiative behind them.

    `more` is the Bicep of the tag-driven layer.
    """
    head = """\
// Made by `exg policy build`; edit the ruleset, not this.
// Creates policy definitions and initiatives at a management group, and assigns none of the guardrails' own.
// loadJsonContent() escapes what starts with a bracket, so that policies keep their expressions.
targetScope = 'managementGroup'

"""
    ours = []
    for word, symbol, made, does in (
        ("guardrail", "guardrails", reporting, "reports"),
        ("denial", "denials", refusing, "refuses"),
    ):
        *names, initiative = [one["name"] for one in made] or [""]
        what = f"of the guardrails for policy exemptions that {does}"
        ours.append(created(word, symbol, names, initiative, what) if names else _nothing(symbol, does))
    return head + "\n".join((*ours, more))


def created(word: str, symbol: str, names: Sequence[str], initiative: str, what: str) -> str:
    """Return the Bicep that creates the definitions of these names and the initiative over them.

    `word` begins the names of its variables, `symbol` is the initiative's; `what` describes the output `SYMBOLId`.
    """
    loaded = "\n".join(f"  loadJsonContent('definitions/{quoted(name)}.json')" for name in names)
    return f"""\
var {word}Definitions = [
{loaded}
]
var {word}Initiative = loadJsonContent('initiatives/{initiative}.json')

resource {word}Definition 'Microsoft.Authorization/policyDefinitions@2025-03-01' = [
  for one in {word}Definitions: {{
    name: one.name
    properties: one.properties
  }}
]

resource {symbol} 'Microsoft.Authorization/policySetDefinitions@2025-03-01' = {{
  name: {word}Initiative.name
  properties: {{
    displayName: {word}Initiative.properties.displayName
    description: {word}Initiative.properties.description
    policyType: 'Custom'
    metadata: {word}Initiative.properties.metadata
    parameters: {word}Initiative.properties.parameters
    policyDefinitions: [
      for one in {word}Initiative.properties.policyDefinitions: {{
        policyDefinitionReferenceId: one.policyDefinitionReferenceId
        policyDefinitionId: extensionResourceId(
          managementGroup().id,
          'Microsoft.Authorization/policyDefinitions',
          one.policyDefinitionName
        )
        parameters: one.parameters
      }}
    ]
  }}
  dependsOn: [
    {word}Definition
  ]
}}

@description('Resource id of the initiative {what}.')
output {symbol}Id string = {symbol}.id
"""


def _nothing(symbol: str, does: str) -> str:
    """Return the output of an initiative that is not made, for Azure refuses an empty one."""
    return f"""\
@description('Empty: no rule of the ruleset has a policy that {does}.')
output {symbol}Id string = ''
"""


def quoted(text: str) -> str:
    """Return a text as Bicep has it between quotes."""
    return text.replace("\\", "\\\\").replace("'", "\\'").replace("${", "\\${")
