"""A sweep in a process of its own, for tests that kill it: folder, workers, chunk, then how its members misbehave."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import arithmetic
from backfire.driver import crew_for, run_plan
from backfire.errors import BackfireError


def main() -> int:
    folder, workers, chunk, how = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])
    count = how.pop("count", 200)
    how = {key: frozenset(value) if isinstance(value, list) else value for key, value in how.items()}
    given = arithmetic.plan(count, **how)
    try:
        result = run_plan(
            given,
            folder,
            crew_for(workers, None, count),
            resume=True,
            chunk=chunk,
            notify=lambda text: print(text, file=sys.stderr),
        )
    except BackfireError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(result.table_hash)
    return 0 if result.ok else 3


if __name__ == "__main__":
    sys.exit(main())
