"""The checks: one folder a concern, one file a topic, one function a requirement."""
