"""What a running process has: its settings, its log of facts, its HTTP transport, and what a monitor is shown.

Imports `decisions/schedule.py` and `errors`.
"""
