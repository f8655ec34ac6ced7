"""python -m tracker: the same as the command minamoto."""

from tracker.cli import main

main()
