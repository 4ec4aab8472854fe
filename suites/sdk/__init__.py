"""Client SDKs: the library that holds the credentials keeps its promises."""
