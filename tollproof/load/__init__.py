"""The load side: what sends requests at exact times and records what came back.

Locust runs in a child process only, because importing it replaces the process's
sockets: `user`, `conductor` and `locustfile` are for that child, and everything else
here is free of Locust and gevent. Must not know what an observation means:
:mod:`tollproof.ratelimit` judges.
"""
