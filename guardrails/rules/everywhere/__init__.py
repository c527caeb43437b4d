"""The rules that the service and a check of code run: one file each. They do not import one another."""
