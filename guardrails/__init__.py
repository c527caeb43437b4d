"""Guardrails for Azure Policy exemptions."""
