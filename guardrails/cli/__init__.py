"""The command line, `exg`: one module a command, imported when that command is asked for.

May import everything but `sandbox/`. What a command does is in the folders below; here it is read and shown.
"""
