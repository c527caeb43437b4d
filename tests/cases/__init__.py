"""Small inputs of which the right value is known, judged as a user judges files."""
