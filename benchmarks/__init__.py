"""Measurements against the named rivals, all in one run: `python -m benchmarks` writes `docs/performance.md`.

One module for each item (`warm_build`, `archive`, `image`, `layers`, `disk`); `workbench` holds what they work with,
`timing` how two contestants are compared, `report` how the outcome is written down.
"""
