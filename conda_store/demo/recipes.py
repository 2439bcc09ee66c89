"""What the sample channel holds. Roots only: pip adds what they need."""

from __future__ import annotations

# Specifications of roots: FIVE solves to five packages or little more, SEVENTY to at least seventy.
FIVE = ["python", "numpy", "pandas"]
SEVENTY = [
    "python",
    "pip",
    "flask",
    "ipykernel",
    "matplotlib",
    "pandas",
    "requests",
    "scikit-learn",
    "scipy",
    "sphinx",
    "sympy",
]

# Each list is fetched in one run of pip, so that its packages fit together.
NEWEST = ["jupyterlab", "notebook", "numpy>=2", "wheel", *(name for name in SEVENTY if name != "python")]
OLDER = [
    'numpy==1.26.*; python_version < "3.13"',
    'numpy<2.3; python_version >= "3.13"',
    "pandas<3",
    "flask==3.0.*",
    "requests<2.32",
    "urllib3<2",
    "markupsafe<3",
    "click<8.2",
    "packaging<24",
]
FOREIGN = ["numpy", "pandas", "markupsafe", "requests", "flask", "pyyaml"]
