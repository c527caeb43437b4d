"""Exemption."""
