"""What a worker needs, imported once in the process that workers are forked from: a second that no build waits for.

Everything that is there by then is put out of the garbage collector's sight: it would write to each object in each
worker, and so take away from them the pages of memory that they share.
"""

from __future__ import annotations

import gc
import sys

# httpx brings a program for the command line, and with it four megabytes that no worker has a use for. It does without
# what cannot be imported, and None says that this cannot.
sys.modules["httpx._main"] = None  # type: ignore[assignment]

import conda_store.builds.archive  # noqa: E402
import conda_store.builds.job  # noqa: E402
import conda_store.executors.worker  # noqa: E402
import conda_store.registry.images  # noqa: E402, F401
from conda_store.builds.conda_lock_models import lockfile_models  # noqa: E402

# The forkserver knows no other moment for it than an import.
lockfile_models()
gc.collect()
gc.freeze()
