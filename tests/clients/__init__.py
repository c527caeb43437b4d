"""Clients that others wrote, unchanged, against the sandbox. Each has an environment of its own in build/clients."""
