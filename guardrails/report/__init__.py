"""Reports on many exemptions at once: what was found, as JSON, CSV, markdown and HTML. Pure but for the survey.

Imports `sweep`, `reconcile`, `ports`, `channels/text.py`, `channels/portal.py` and what is below them.
"""
