"""What a template would deploy: one model of values and expressions, and one evaluator, for ARM and Bicep. Pure.

A reader lowers a file to a `Template`; `deploy` computes it. A value that cannot be known from the files is `Unknown`,
with its reason and place. No value that is called known differs from what Azure's deployment engine computes.
"""
