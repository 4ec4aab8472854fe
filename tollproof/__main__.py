"""`python -m tollproof`: the command line, where the script is not on the path."""

from tollproof.cli import main

if __name__ == "__main__":
    main()
