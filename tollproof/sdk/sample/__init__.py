"""The sample SDKs: targets to learn on and to test the suite `sdk` with."""
