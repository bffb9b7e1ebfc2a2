"""`python -m partialpool` is the command `partialpool`."""

from partialpool.cli.main import main

if __name__ == "__main__":
    main()
