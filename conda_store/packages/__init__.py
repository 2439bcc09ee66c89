"""Conda packages and wheels: solving, fetching, checking, linking. The only importers of rattler and callers of uv."""
