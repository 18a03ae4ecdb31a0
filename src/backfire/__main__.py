"""The program ``backfire``, and ``python -m backfire``: hears signals first, then imports the command line."""

from backfire.cli import listen


def main() -> int:
    """Run the command line and return its exit code; the console script exits with it."""
    listen()
    from backfire.cli import main

    return main()


if __name__ == "__main__":
    import sys

    sys.exit(main())
