"""Generated pages, the schema, the ruleset file."""
