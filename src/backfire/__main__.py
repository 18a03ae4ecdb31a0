"""``python -m backfire``."""

import sys

from backfire.cli import main

sys.exit(main())
