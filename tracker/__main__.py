"""python -m tracker: the same as the command minamoto."""

from tracker.cli import main

if __name__ == "__main__":  # not in the process that the work loop runs in
    main()
