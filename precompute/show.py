"""The command `python -m precompute show`, by the name that it had first: `python -m precompute.show`."""

import sys

from precompute.commands.show import main

__all__ = ["main"]


if __name__ == "__main__":
    sys.exit(main())
