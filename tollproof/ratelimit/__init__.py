"""How many requests a deployment lets in, and whether it tells the truth about it.

Pure analysis: observations and a promise in, a measurement and judgements out. Knows
the standard library. Must not know pytest, Locust, the client or the profile.
"""
