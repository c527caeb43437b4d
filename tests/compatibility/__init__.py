"""What an earlier version wrote and printed, and whether this one reads it and prints it: see fixtures/recorder.txt."""
