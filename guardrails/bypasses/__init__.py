"""The ways past a policy that are no exemptions: tags, excluded scopes, selectors, overrides and the like. Read-only.

`model` says what one is and what it lacks, `read` finds them in assignments and tags, `look` all that the inventory
shows; `sweep` compares them with the register, whose rows `record` describes, and `notice` tells what is new.
"""
