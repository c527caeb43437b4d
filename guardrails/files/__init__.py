"""Readers of exemptions in files: text -> bodies, or what is wrong and where. Pure; each module imports on its own.

Imports `exemption` and `errors`. What files say is judged in `decisions/`, for the command `judge`.
"""
