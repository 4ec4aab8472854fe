"""Who may do what: grants hold, both ways, and a refusal has no effect (403)."""
