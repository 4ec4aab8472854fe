"""The faults of the sample SDKs: each breaks one promise, no other.

Knows names and sentences, nothing of ours and no SDK: drivers read it as a plain file
beside them. The code that a fault switches stands where the promise is kept.
"""

from __future__ import annotations

#: Slug of the check in the suite `sdk`, name of the fault, what is wrong.
PYTHON: tuple[tuple[str, str, str], ...] = (
    ("api-key", "sdk-key-in-other-header", "the key is sent as X-API-Key"),
    ("token", "sdk-token-without-bearer", "a token is sent under the scheme Token"),
    ("client-credentials", "sdk-grant-not-used", "the access token is cut short"),
    ("token-request", "sdk-token-request-json", "the token request is JSON"),
    (
        "token-request-alone",
        "sdk-token-request-stray",
        "the token request carries `Authorization: Bearer None`",
    ),
    (
        "no-placeholder",
        "sdk-call-before-token",
        "the first call goes out as `Bearer None`",
    ),
    ("order", "sdk-order-reversed", "a token is preferred to an API key"),
    ("one-credential", "sdk-two-credentials", "key and token are sent together"),
    ("open", "sdk-open-sent", "the key `open` is sent"),
    ("prefix", "sdk-prefix-doubled", "a given prefix is added once more"),
    ("token-intact", "sdk-token-mangled", "the word bearer is cut out of a token"),
    ("copy", "sdk-copy-masked", "a copy of a client sends the masked key"),
    ("environment-base-url", "sdk-env-url-ignored", "SAMPLE_BASE_URL is not read"),
    ("environment-api-key", "sdk-env-key-ignored", "SAMPLE_API_KEY is not read"),
    ("environment-token", "sdk-env-token-ignored", "SAMPLE_TOKEN is not read"),
    ("environment-client", "sdk-env-client-ignored", "SAMPLE_CLIENT_ID is not read"),
    ("environment-file", "sdk-env-file-ignored", "SAMPLE_CREDENTIALS is not read"),
    ("credentials-file", "sdk-file-secret-wrong", "the id of a file is its secret too"),
    ("explicit-argument", "sdk-env-wins", "a variable beats the same argument"),
    (
        "explicit-mechanism",
        "sdk-env-client-wins",
        "client credentials of the environment beat a key that is given",
    ),
    (
        "open-over-environment",
        "sdk-env-beats-open",
        "a token of the environment is sent though `open` is given",
    ),
    ("host", "sdk-host-by-substring", "a base URL must only mention the host"),
    ("read-back", "sdk-key-readable", "the key reads back as it is"),
    ("token-read-back", "sdk-token-readable", "the token reads back as it is"),
    ("secret-read-back", "sdk-secret-readable", "the client secret reads back"),
    ("short-key", "sdk-mask-spares-four", "a mask always shows four characters"),
    ("printed", "sdk-key-printed", "a printed client shows its key"),
    ("inspected", "sdk-secret-inspected", "the repr shows the client secret"),
    ("serialised", "sdk-token-serialised", "as JSON a client shows its token"),
    ("logged", "sdk-header-logged", "request headers are logged"),
    ("raised", "sdk-header-in-error", "an error quotes the request's headers"),
    ("token-once", "sdk-grant-each-call", "every call fetches a token"),
    ("token-shared", "sdk-grant-unshared", "calls at once each fetch a token"),
    ("refresh-expired", "sdk-expiry-ignored", "an expired token is sent"),
    ("refresh-refused", "sdk-401-final", "a refused token is not refreshed"),
    ("refresh-bounded", "sdk-refresh-endless", "a 401 is refreshed for ever"),
    ("grant-bounded", "sdk-grant-endless", "a refused grant is repeated for ever"),
    ("manual-refresh", "sdk-refresh-kept", "a refresh by hand keeps the old token"),
    ("forbidden-once", "sdk-403-retried", "403 is retried"),
    ("throttled-repeated", "sdk-429-final", "429 is not retried"),
    ("retry-after-seconds", "sdk-retry-at-once", "a delay in Retry-After is ignored"),
    ("retry-after-date", "sdk-retry-date-ignored", "a date in Retry-After is ignored"),
    ("throttle-bounded", "sdk-429-endless", "429 is retried for ever"),
    ("error-bounded", "sdk-503-endless", "503 is retried for ever"),
    ("retries-off", "sdk-zero-means-default", "max_retries=0 means the default"),
    ("redirect", "sdk-redirect-with-key", "a redirect takes the key along"),
    ("token-redirect", "sdk-redirect-with-secret", "so does one of a token request"),
    ("url", "sdk-key-in-url", "the key stands in the query as well"),
    ("other-fields", "sdk-key-in-user-agent", "the key stands in X-Client as well"),
)
#: Those of the sample for Node.js and browsers.
NODE: tuple[tuple[str, str, str], ...] = (
    ("browser-refused", "sdk-browser-unguarded", "a browser may hold a key"),
    ("browser-allowed", "sdk-browser-never", "allowBrowser has no effect"),
    ("browser-open", "sdk-browser-open-refused", "open keys are refused in a browser"),
)
