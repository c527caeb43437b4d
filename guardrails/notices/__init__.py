"""What a notice is, which routes take it, how many go at once, and when the next may go. Pure.

Imports `exemption` and `errors`. What a notice says of a decision is written in `decisions/notify.py`; who sends it
stands in `delivery/`, and how it looks in a channel in `channels/`.
"""
