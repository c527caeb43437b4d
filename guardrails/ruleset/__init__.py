"""The ruleset: its file and schema, and which rule holds for an exemption, with which options and response. Pure.

Imports `rules`, `notices`, `exemption` and `errors`. What a rule finds is not decided here, nor what is done about it.
"""
