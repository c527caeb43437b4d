"""What Enterprise Azure Policy as Code (EPAC) makes of exemption files: its plan, computed without running it. Pure.

The rules are those of EPAC's planner at commit 6043576 (2026-08), which was also run to record answers. Where its
answer is neither recorded nor certain, the answer here is Unknown.
"""
