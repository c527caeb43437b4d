"""What an exemption is: its id, its body, its metadata, its dates, and the facts that rules judge it by. Pure.

Imports `errors` alone. A fact is a value here, however it was learnt; `azure/`, `files/` and `register/` read them.
"""
