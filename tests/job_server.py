"""A server of builds and nothing else, for tests that kill it: `python -m tests.job_server SETTINGS WORKERS`.

SETTINGS is a file with pickled `JobSettings`. Says `ready` and runs until its input ends.
"""

import pickle
import sys
from pathlib import Path

from conda_store.executors.local import LocalExecutor


def main() -> None:
    settings = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301  the test wrote it
    executor = LocalExecutor(workers=int(sys.argv[2]))
    executor.start(settings)
    print("ready", flush=True)
    sys.stdin.read()
    executor.stop()


if __name__ == "__main__":
    main()
