"""Client SDKs: the other half of the contract, judged against a scripted platform.

`platform` answers by a scenario and writes down what arrives, `driver` runs the program
that speaks for the SDK, `protocol` is what the two say to each other, `bench` plays a
script with both and returns a story. Checks judge stories. Nothing here knows any one
SDK; drivers and the sample SDK stand in folders of their own and import nothing of
tollproof, but for the driver of its own client.
"""
