"""`python -m zhiyin` is the same as the `zhiyin` command."""

from zhiyin.cli.app import main

if __name__ == "__main__":
    main()
