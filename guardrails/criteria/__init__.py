"""Criteria weakened: the criteria of a standard that an exemption or a bypass weakens. Pure.

There are two sources: the groups of the assigned initiative, and a table of policy definitions. The shipped table is
`soc2.json`. It has numbers that Azure publishes, and no text of a standard. Criteria that a rule supports are something
else: see rules.base.
"""
