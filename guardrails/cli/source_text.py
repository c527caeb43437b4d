"""What docs/sources.md says beside its table."""

from typing import Final

from guardrails.exemption.sources import NEWEST

SOURCES: Final = """\
Azure Resource Manager (ARM) leaves out what is at its default, so a field that is absent there is at its default.
Another source may leave a field out whatever it says, and then nobody knows what it says. A rule that needs such a
field, because the field would settle the matter, is *unknown*, with the source as the reason: no pass and no violation.
What holds whatever the field says is found: a reference id that the initiative does not have is a violation in every
source."""

NOTES: Final = """\
- The service reads ARM with the api-version of the setting `GUARDRAILS_EXEMPTIONS_API_VERSION`. Where a cloud has older
  ones only, the rules of its row stay unknown; switch off what does not matter there.
- Who wrote an exemption, and when, is known by `systemData` alone. Without it `expiry-too-far` is a violation where the
  end is too far even from now, else unknown.
- A resource selector of a kind that is not documented is in doubt in every source: it may pick people, or policies.
- A sweep finds by Resource Graph and decides by ARM."""

_TABLE: Final = {
    "times of Windows PowerShell, `/Date(1811721600000)/`, and as an object {value, DateTime}": "read",
    "lists as {value, Count}, or as JSON in a text": "read",
    "lists joined to one text, empty texts for lists, `System.Object[]`, `@{key=value}`": (
        "the file is refused: ConvertTo-Json needs `-Depth 10`"
    ),
    "policy as code: Enterprise Policy as Code, AzPolicyFactory, Terraform, Bicep, ARM templates and parameters": (
        "refused, with what to give instead"
    ),
    "tables (CSV), web pages, reports of judge and scan": "refused, with what to give instead",
    "policy assignments, initiatives, definitions": "refused; `--assignments` takes them",
    "an initiative whose policies are missing or cut off": (
        "the rules that need them are unknown; the file is no mistake"
    ),
}

FILES: Final = f"""\
`judge` knows by an object's shape who returned it. What one object of an answer shows, the others would show, too. With
which api-version ARM was asked does not stand in its answer; `--api-version` says it. Best is

```sh
at=/subscriptions/ID/providers/Microsoft.Authorization
az rest --method get --url "$at/policyExemptions?api-version={NEWEST}" > exemptions.json
az rest --method get --url "$at/policyAssignments?api-version=2025-03-01" > assignments.json
az policy set-definition list --subscription ID > initiatives.json
exg judge exemptions.json --api-version {NEWEST} \\
  --assignments assignments.json --assignments initiatives.json
```

which has every field, and what is inherited from management groups. `az policy exemption list` leaves out both from
azure-cli 2.77 on, and `az policy assignment list` what is inherited, even with `--disable-scope-strict-match`.
Give neither of them `--scope` with a resource group or a resource: azure-cli 2.91.0 then lists the group of that name
in the current subscription, whichever the scope names, and nothing of a resource itself. `--subscription` and
`--resource-group` do what they say.

`az rest` saves one page of a list. Where there is more, `judge` prints the command that saves the next page, under a
name that says which page it is, for the page itself does not. Until that file is given, too, the exit code is never 0.

| in a file | what becomes of it |
| --- | --- |
""" + "\n".join(f"| {found} | {becomes} |" for found, becomes in _TABLE.items())
