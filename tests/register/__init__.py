"""The register on real Azurite."""
