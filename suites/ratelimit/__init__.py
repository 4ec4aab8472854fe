"""How often: the promised limit, measured under load, and what headers say of it."""
