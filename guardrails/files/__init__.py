"""Readers of exemptions in files: text -> bodies, or what is wrong and where. Pure; each module imports on its own."""
