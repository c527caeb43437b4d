"""What the build of the wheel needs besides pyproject.toml: its dependencies, from the requirements files."""
