"""What Minamoto promises, checked: start with tests/spec."""
