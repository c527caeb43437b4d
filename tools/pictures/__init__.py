"""Draws the card of every kind of notice, by the official renderer in a real browser, for the documentation."""
