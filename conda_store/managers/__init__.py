"""What a caller may ask for. Managers are synchronous, own the database session and return frozen models."""
