"""One exemption: observe it, decide, act, record, and queue what people hear of it. Restores and holds too.

Imports `ports`, `decisions` and what is below them, and no adapter. `reconcile.py` shows what an event does from top to
bottom; `visit.py` has what its steps share.
"""
