"""The text of docs/sources.md around its tables."""

from typing import Final

from guardrails.exemption.sources import NEWEST

SOURCES: Final = """\
The table shows which fields each source returns. Most sources get the exemptions from Azure Resource Manager (ARM). If
an exemption has no value for a field that its source can return, the field has its default. If the source never returns
the field, its value is unknown. A rule that needs such a field is then *unknown*, with the source as its reason. If a
violation does not depend on the missing field, the rule reports it: for example, a reference id that the initiative
does not have."""

NOTES: Final = """\
- The service reads ARM with the api-version in the setting `GUARDRAILS_EXEMPTIONS_API_VERSION`. If your cloud has only
  older versions, the rules that need the missing fields stay unknown. Switch off the rules that you do not need.
- Only `systemData` shows who wrote an exemption, and when. Without it, `expiry-too-far` counts from the present time.
  If even the time from now to the expiry is too long, the rule is violated. Otherwise it is unknown.
- A resource selector of an undocumented kind makes a rule unknown in every source: it may select people or policies.
- A sweep finds exemptions with Resource Graph, and judges them from ARM."""

_TABLE: Final = {
    "times of Windows PowerShell, `/Date(1811721600000)/`, or an object {value, DateTime}": "read",
    "lists as {value, Count}, or as JSON in a text": "read",
    "a text in place of a list or an object: joined values, an empty text, `System.Object[]`, `@{key=value}`": (
        "the file is refused: `ConvertTo-Json` needs `-Depth 10`"
    ),
    "policy as code: Enterprise Policy as Code, AzPolicyFactory, Terraform, Bicep, ARM templates and parameters": (
        "refused; the message names the file to use instead"
    ),
    "tables (CSV), web pages, reports of judge and scan": "refused; the message names the file to use instead",
    "policy assignments, initiatives, definitions": "refused; pass them with `--assignments`",
    "an initiative whose policies are missing or cut off": "read; the rules that need the policies are unknown",
}

FILES: Final = f"""\
`judge` recognizes the source of a file by the shape of its objects. If one object of an answer has a field, `judge`
assumes that the source returns this field for all objects. An answer of ARM does not name its api-version: pass it with
`--api-version`.

Use these commands. With `--api-version`, `judge` knows that the first file has every field. The files also have
everything that the subscription inherits from its management groups:

```sh
at=/subscriptions/ID/providers/Microsoft.Authorization
az rest --method get --url "$at/policyExemptions?api-version={NEWEST}" > exemptions.json
az rest --method get --url "$at/policyAssignments?api-version=2025-03-01" > assignments.json
az policy set-definition list --subscription ID > initiatives.json
exg judge exemptions.json --api-version {NEWEST} \\
  --assignments assignments.json --assignments initiatives.json
```

Other commands of the Azure CLI give less. From azure-cli 2.77 on, `az policy exemption list` leaves out inherited
exemptions, and each version leaves out some fields (see the table above). `az policy assignment list` leaves out
inherited assignments, even with `--disable-scope-strict-match`. In these two commands, do not use `--scope` with a
resource group or a resource: azure-cli 2.91.0 then looks for the resource group in the *current* subscription, and does
not list what is attached to the resource itself. Use `--subscription` and `--resource-group` instead.

`az rest` saves one page of a list. If there are more, `judge` prints the command for the next page. Keep the file name
in this command, because only this name says which page it is. If a page is missing, the exit code is not 0.

| content of a file | result |
| --- | --- |
""" + "\n".join(f"| {found} | {becomes} |" for found, becomes in _TABLE.items())
