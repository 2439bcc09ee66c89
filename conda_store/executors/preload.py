"""What a worker needs, imported once in the process that workers are forked from: a second that no build waits for.

Everything that is there by then is put out of the garbage collector's sight: it would write to each object in each
worker, and so take away from them the pages of memory that they share.
"""

from __future__ import annotations

import gc

import conda_store.builds.archive
import conda_store.builds.job
import conda_store.executors.worker
import conda_store.registry.images  # noqa: F401
from conda_store.builds.conda_lock_models import lockfile_models

# The forkserver knows no other moment for it than an import.
lockfile_models()
gc.collect()
gc.freeze()
