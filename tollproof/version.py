"""The version, in the one place everything else takes it from."""

__version__ = "0.1.0"
