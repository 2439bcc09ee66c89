"""One build from start to end, and the artifacts it leaves."""
