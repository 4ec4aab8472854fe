"""The token endpoint: client credentials are granted and refused as RFC 6749 says."""
