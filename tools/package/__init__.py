"""The package that is deployed, built and started here as Azure does it."""
