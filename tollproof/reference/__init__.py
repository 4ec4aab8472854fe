"""Reference deployments: complete, correct, and each fault a named switch.

They are targets to learn and to test tollproof on, served on loopback. Knows nothing
of suites, profiles as values, or verdicts: what tollproof learns of a deployment it
learns from outside, by its profile and over HTTP.
"""
