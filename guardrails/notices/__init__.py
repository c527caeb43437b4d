"""What a notice is, which routes take it, how many go at once, and when the next may go. Pure.

Imports `exemption` and `errors`. `decisions/notify.py` writes what a notice says of a decision, `delivery/` sends it,
and `channels/` makes the message that a channel shows.
"""
