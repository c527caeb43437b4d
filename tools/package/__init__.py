"""The package that is deployed, built here: for this machine, where tests start it, or for Azure's."""
