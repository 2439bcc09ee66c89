"""`python -m conda_store` is the `conda-store` command."""

from conda_store.cli import main

if __name__ == "__main__":
    main()
