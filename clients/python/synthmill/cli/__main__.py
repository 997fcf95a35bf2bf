"""The same command as `python -m synthmill.cli`."""

from synthmill.cli.main import main

if __name__ == "__main__":
    main()
