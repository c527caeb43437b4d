"""The start-up check: whether the service can do what it is for, and how to fix what keeps it from that.

Imports `wiring`, `intake` and what is below them; the function app runs it at its start.

A check looks and reports; it fixes nothing. Like rules it has three values: what is unknown is never a pass.

    model.py                  what a check finds
    needs.py                  what the service needs in Azure: actions, event subscriptions
    world.py                  what checks look at it with
    host.py storage.py ...    the checks
    examine.py                runs them, each in its time
    at_start.py               runs them in the function app, into its log
"""
