"""Teams, Slack, webhooks and Event Grid topics: a notice as a message, and one attempt to send it. An adapter.

Imports `ports`, `notices`, `exemption`, `runtime` and `errors`. Strangers' text is made safe here, in `text.py`; hosts
are held to public addresses in `egress_guard.py`.
"""
