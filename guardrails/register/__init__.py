"""The register on Azure Table Storage, and the two queues. Adapters of ports.Register and ports.Queues.

Imports `ports`, `decisions` and what is below them, and `runtime`. Import `guardrails.register.table_register` and
`guardrails.register.queues` where they are needed; this package itself imports nothing.
"""
