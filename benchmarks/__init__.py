"""Measurements against the named rivals, all in one run: `python -m benchmarks` writes `docs/performance.md`.

One module for each item (`__main__` lists them); `workbench` holds what they work with, `server`, `rival_registry`,
`rival_server` and `postgres` what runs beside them, `timing` and `wrk` how two contestants are compared, `report` how
the outcome is written down. The rival of the API is fetched from PyPI once, into the cache.
"""
