"""Bypasses of policies: tags, excluded scopes, selectors, overrides, enrollments; and what each lacks. Pure.

Imports `decisions` and what is below it. `sweep/` looks for them; nothing reverts them.
"""
