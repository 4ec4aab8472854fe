"""OpenAPI documents → operations and requests, by Schemathesis in another process.

`document` and `drawer` are this side of it; everything else runs on the other one:
a schema that keeps Hypothesis busy for ever then ends a request, not the run, and what
both libraries need to get started is done beside the rest.
"""
