"""Simulation in virtual time, and a crash at every step of every flow: see README.md."""
