"""Azure Policy made from the ruleset: definitions, initiatives, Bicep, and what they leave to the service. Pure.

Imports `ruleset`, `rules`, `exemption` and `errors`. The condition of one rule is in that rule's file, as `control`.
"""
