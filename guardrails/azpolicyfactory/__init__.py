"""What AzPolicyFactory makes of exemption files: its checks, its build step and its template, computed. Pure.

The rules are those of AzPolicyFactory at commit a0362fe (2026-08), which was also run to record answers: PowerShell
7.6.9, Pester 5.7.1, Bicep 0.49.2. Where its answer is neither recorded nor certain, the answer here is unknown.
"""

from typing import Final

VERSION: Final = "a0362fe"
"""The commit that these rules are taken from."""
