"""Notices from the queue to their routes: digests, rate limits, retries and dead letters. Nothing is lost.

Imports `ports`, `notices`, `ruleset` and what is below them; `channels/` makes the messages and sends them.
"""
