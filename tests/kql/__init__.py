"""Our queries in the Kusto query language (KQL), each held to Microsoft's own parser."""
