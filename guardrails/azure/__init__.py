"""Azure Resource Manager, Resource Graph, the activity log, Event Grid payloads and identity. An adapter.

Imports `ports`, `bypasses`, `exemption`, `runtime` and `errors`; with `register/` and `channels/` it is all that
imports azure.*. `arm.py` reads and writes exemptions, `policies.py` what they exempt from, `graph.py` the inventory.
"""
