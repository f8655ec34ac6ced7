"""Files of stages: who is in which stage since when, read, looked at, and taken in as a whole."""
