"""Notices on their way out: Teams cards and signed webhooks."""
