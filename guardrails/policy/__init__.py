"""Azure Policy made from the ruleset: definitions, initiatives, Bicep, and what they leave to the service. Pure."""
