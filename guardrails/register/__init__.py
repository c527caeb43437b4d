"""The register on Azure Table Storage, and the two queues. Adapters of ports.Register and ports.Queues.

Import `guardrails.register.table_register` and `guardrails.register.queues` where they are needed; this package itself
imports nothing.
"""
