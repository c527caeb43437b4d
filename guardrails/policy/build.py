"""Every file of the generated policies, from a ruleset and given definitions. Pure: the same input, the same bytes."""

import json
from collections.abc import Mapping
from typing import Any, Final

from guardrails.policy import inheritance, tagged
from guardrails.policy.bicep import bicep
from guardrails.policy.condition import Refusal, refusal_of
from guardrails.policy.definition import denials, reports
from guardrails.policy.deletion import REFERENCE, deletion
from guardrails.policy.limits import refuse_too_large, refuse_unknown_aliases
from guardrails.policy.readme import readme
from guardrails.rules import all_rules
from guardrails.ruleset.model import Ruleset

GENERATOR: Final = "exemption-guardrails"
"""What `metadata.generator` says in every file that is ours to replace or remove."""


def build(ruleset: Ruleset, given: Mapping[str, object], aliases: tuple[str, object] | None = None) -> dict[str, str]:
    """Return path -> text of every file, in order: README.md, Bicep, definitions/ and initiatives/.

    Args:
        ruleset: what is refused.
        given: file name -> JSON value of the definitions that tags may let past (`guardrails.policy.given.read`).
        aliases: the name of a file and its JSON, the aliases that a tenant has; None where they are not known.

    Raises Misconfigured for a given definition that cannot take the check, for tags that no policy can compare, and for
    what Azure would not take: too large, or with an alias that the tenant lacks.
    """
    found = {rule.name: refusal_of(rule, ruleset) for rule in all_rules().values()}
    refusals = [one for one in found.values() if isinstance(one, Refusal)]
    layer = tagged.build(given, ruleset.bypasses)
    reporting = reports(refusals, ruleset.source)
    refusing = denials(refusals, ruleset.source, {REFERENCE: deletion(ruleset)})
    ours = {f"{_folder(one)}/{one['name']}.json": one for one in (*reporting, *refusing)}
    made = {
        "README.md": readme(found, ruleset.source, layer.notes),
        "policies.bicep": bicep(reporting, refusing, layer.bicep),
        inheritance.ROLE_FILE: inheritance.role_bicep(),
    }
    both = {path: _marked(value) for path, value in sorted({**ours, **layer.files}.items())}
    refuse_too_large(both)
    if aliases:
        refuse_unknown_aliases(both, *aliases)
    return {**made, **{path: _json(value) for path, value in both.items()}}


def _folder(made: Mapping[str, Any]) -> str:
    return "initiatives" if "policyDefinitions" in made["properties"] else "definitions"


def is_ours(text: str) -> bool:
    """Return whether a file's text is one that `build` made."""
    try:
        value = json.loads(text)
        return bool(value["properties"]["metadata"]["generator"] == GENERATOR)
    except (ValueError, KeyError, TypeError, RecursionError):  # not JSON, or JSON of another shape
        return False


def _marked(value: Mapping[str, Any]) -> dict[str, Any]:
    properties = value["properties"]
    return {**value, "properties": {**properties, "metadata": {**properties["metadata"], "generator": GENERATOR}}}


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
