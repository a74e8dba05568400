"""`python -m orchestration.cli`: the same command where the script `baton` is not on the path."""

from orchestration.cli.main import main

if __name__ == "__main__":
    main()
