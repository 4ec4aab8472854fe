"""Where secrets lie that should not: stores, logs, pages, bundles, source, history.

`known` looks for the run's own credentials, `patterns` for what looks like anybody's;
`places` reads files within bounds, `stores` and `salting` know databases, `pages` what
a browser loads, `source` programs. Findings carry place and kind, never the secret.
"""
