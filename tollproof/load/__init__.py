"""The load side: what sends requests at exact times and records what came back.

Everything but :mod:`tollproof.load.user` and :mod:`tollproof.load.locustfile` is free
of Locust and gevent; those two are imported in a child process only, because importing
Locust replaces the process's sockets. Must not know what an observation means:
:mod:`tollproof.ratelimit` judges.
"""
