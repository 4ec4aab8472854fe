"""Reports: pure functions from a run to text.

Knows which formats there are and what their files are called. Must not know where
they are written: the caller writes, after it has made sure that no credential is in
what it writes.
"""
