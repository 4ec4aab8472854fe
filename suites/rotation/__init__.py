"""What happens to keys: made, followed by new ones, revoked, all while traffic runs."""
