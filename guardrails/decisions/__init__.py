"""From an exemption, its row and the ruleset to findings, a plan, the next row, and what people are notified of. Pure.

Imports `ruleset`, `rules`, `notices`, `exemption` and `errors`. Nothing here reads a clock or does anything: all is
handed in, and what comes out can be printed.
"""
