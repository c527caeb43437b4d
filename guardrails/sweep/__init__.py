"""The whole tenant: the inventory against the register, adoption, bypasses, and the second clock that starts a sweep.

Imports `reconcile`, `ports` and what is below them, and no adapter. What differs goes to `reconcile/`, one by one.
"""
