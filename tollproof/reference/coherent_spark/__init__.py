"""The platform side that the Coherent Spark SDKs speak to: a target to learn on.

Synthetic API keys, bearer tokens, client credentials at a realm's token endpoint,
public APIs, configuration and services, with answers of the shape that the SDKs read.
Nothing in it is Coherent's: it was made from what the SDKs send.
"""
