"""HTTP: each handler reads a request, asks a manager, writes what it says."""
