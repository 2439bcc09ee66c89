"""Sphinx: the documentation as fragments (builder `json`), which the server shows in its own frame at `docs/`."""

project = "conda-store"
extensions = ["myst_parser", "sphinxcontrib.serializinghtml"]
exclude_patterns = ["*.py"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 3
# The pages have no colours for code.
highlight_language = "none"
pygments_style = "none"
suppress_warnings = ["myst.xref_missing", "misc.highlighting_failure"]
