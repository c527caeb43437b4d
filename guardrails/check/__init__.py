"""What code would deploy, judged by the ruleset before it is deployed: the command `check`. Pure.

`entries` finds which templates are deployed with which parameters, `world` what is known of Azure, `judge` runs the
rules on each exemption, `answer` is what comes out. Readers of files are in `files/`, values in `evaluation/`.
"""
