"""What an exemption is: its id, its body, its metadata, its dates, and the facts that are known beside it. Pure.

Imports `errors` alone. A fact is a value here, however it was learnt; who reads it from Azure, a file or the register
stands in `azure/`, `files/` and `register/`.
"""
