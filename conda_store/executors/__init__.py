"""Where builds run. What happens in a build is `builds/job.py`."""
