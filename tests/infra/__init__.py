"""The Bicep modules."""
