"""A local Azure for the demo and the tests: real parts where there are any, small honest stand-ins elsewhere."""
