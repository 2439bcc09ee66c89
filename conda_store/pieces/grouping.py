"""Which packages share a layer, and in which order layers stand: the one hard algorithm of conda-store.

An image is a list of layers, and a container engine runs at most 125 of them. One layer for each package is best
for sharing, as long as it fits. Two things decide how much of an image is downloaded again when one package changes:

*Order.* docker reuses a layer only when every layer below it is equal too. So what changes seldom and
weighs much must lie low. Nothing in a package says how often it changes, but size is at hand: layers go from large to
small by size class `floor(log2 size)`, then by name, so that a new version, which has about the old size, stays in its
place and only smaller layers above it are downloaded again. (Over all one-package changes of a 70-package
environment this re-downloads a small part of the image; dependency order, which puts python above its
libraries and everything above python, re-downloads five times as much.)

*Grouping.* With more packages than layers, some must share one, and then a change of one package must not shift
others from group to group. So neither the number of packages nor a size threshold may decide: with
`B` layers in all, the first `B - 20` packages by `(-class, sha256(name))` stand alone and the rest is thrown into
20 buckets by `sha256(name) mod 20`. When a package changes its size class, its rank changes and at most one other
package crosses the border between "alone" and "bucket", in the other direction. So changing, adding or removing one
package touches at most: its own layer or bucket, the layer of the package that crosses, and that package's bucket.

What this cannot do: an environment that grows over the budget itself changes from no buckets to twenty at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

DEFAULT_BUDGET = 100
BUCKETS = 20


def size_class(size: int) -> int:
    """`floor(log2 size)`, and 0 for nothing."""
    return max(size, 1).bit_length() - 1


def arrange(sizes: Mapping[str, int], budget: int = DEFAULT_BUDGET) -> list[tuple[str, ...]]:
    """Layers, bottom first, each a tuple of package names in order.

    `sizes` gives the bytes of each package's files by name; `budget` is the number of package layers at most
    and is greater than 20. Single packages come first, large to small; then the buckets, in their numbers' order.
    """
    if budget <= BUCKETS:
        raise ValueError(f"a budget of {budget} layers leaves no room beside {BUCKETS} groups")
    alone = set(sizes)
    buckets: list[list[str]] = [[] for _ in range(BUCKETS)]
    if len(sizes) > budget:
        ranked = sorted(sizes, key=lambda name: (-size_class(sizes[name]), _name_hash(name)))
        alone = set(ranked[: budget - BUCKETS])
        for name in ranked[budget - BUCKETS :]:
            buckets[int(_name_hash(name), 16) % BUCKETS].append(name)
    singles = sorted(alone, key=lambda name: (-size_class(sizes[name]), name))
    return [(name,) for name in singles] + [tuple(sorted(bucket)) for bucket in buckets if bucket]


def _name_hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
