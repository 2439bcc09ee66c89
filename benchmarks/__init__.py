"""Measurements against the named rivals, all in one run: `python -m benchmarks` writes `docs/performance.md`.

One module for each item (`__main__` lists them); `workbench` holds what they work with, `server` and `rival_registry`
what runs beside them, `timing` and `wrk` how two contestants are compared, `report` how the outcome is written down.
"""
