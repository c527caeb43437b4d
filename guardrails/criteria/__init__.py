"""Criteria weakened: which criteria of a standard an exemption or a bypass weakens, by which mapping. Pure.

First by the groups of the assigned initiative, then by a table of policy definitions; ours is `soc2.json`: numbers that
Azure publishes, and no text of a standard. The criteria that a rule of ours supports are another thing: see rules.base.
"""
