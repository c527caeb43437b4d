"""The rules about how code declares an exemption: only a check of code runs them. One file each."""
