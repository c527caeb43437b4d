"""The rules about exemptions that are in Azure: they need history, or who wrote an exemption. One file each."""
