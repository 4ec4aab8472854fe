"""Every error that can be provoked has the promised shape and tells nothing else."""
