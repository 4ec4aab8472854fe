"""The faults of tokens, the token endpoint, roles and organisations, by suite.

Each row: the check that notices it, its name, what is wrong. See `faults`.
"""

from __future__ import annotations

Rows = tuple[tuple[str, ...], ...]

TOKENS: Rows = (
    ("unsigned", "token-unsigned-accepted", "unsigned tokens are let in"),
    ("emulator-mode", "token-emulator-mode", "tokens are taken as by an emulator"),
    ("signature", "token-signature-unread", "no signature is verified"),
    ("stripped-signature", "token-stripped-accepted", "an absent signature is right"),
    (
        "payload-bound",
        "token-cached-by-signature",
        "a signature seen before vouches for other claims",
    ),
    ("encoding", "token-lenient-base64", "foreign characters are read over"),
    (
        "canonical-encoding",
        "token-non-canonical-base64",
        "unused bits of base64url are read over",
    ),
    (
        "algorithm-confusion",
        "token-key-confusion",
        "HS256 is keyed with the public key",
    ),
    ("weak-secret", "token-weak-secret", 'HS256 is keyed with "secret"'),
    ("embedded-key", "token-jwk-trusted", "the key in a token's jwk is trusted"),
    ("embedded-key", "token-x5c-trusted", "the certificate in x5c is trusted"),
    ("key-url", "token-jku-followed", "keys at a token's jku are trusted"),
    ("key-url", "token-jku-fetched", "a token's jku is fetched, to no avail"),
    ("key-url", "token-x5u-followed", "the certificate at x5u is trusted"),
    ("key-id", "token-kid-file", "kid is the name of a file with the key"),
    ("key-id", "token-kid-sql", "kid becomes part of a query"),
    ("zero-signature", "token-zero-signature", "ECDSA takes r = s = 0"),
    ("key-id-unknown", "token-any-key", "every published key is tried"),
    ("algorithm", "token-any-algorithm", "any RSA algorithm is accepted"),
    ("algorithm", "token-algorithm-case", "alg is compared without letter case"),
    ("critical-header", "token-crit-ignored", "crit is ignored"),
    ("nested", "token-nested-unwrapped", "a token inside is not verified"),
    ("expired", "token-expired-accepted", "exp is not compared with the clock"),
    (
        "observed-expiry",
        "token-verdict-remembered",
        "a token once verified is remembered past its expiry",
    ),
    ("expiry-required", "token-expiry-optional", "a token needs no exp"),
    ("not-before", "token-nbf-ignored", "nbf is ignored"),
    ("issued-at", "token-iat-ignored", "iat may lie in the future"),
    ("auth-time", "token-auth-time-ignored", "auth_time may lie in the future"),
    ("lifetime", "token-lifetime-unbounded", "a token may live for years"),
    ("issuer", "token-issuer-ignored", "any issuer will do"),
    ("issuer", "token-issuer-prefix", "the beginning of iss is compared"),
    ("audience", "token-audience-ignored", "any audience will do"),
    ("audience", "token-audience-prefix", "the beginning of aud is compared"),
    ("subject", "token-subject-empty", "a token may name nobody"),
    ("token-kind", "token-session-cookie", "a session cookie passes for an ID token"),
    ("no-server-error", "token-malformed-crash", "a malformed header crashes"),
    ("unknown-claims", "token-unknown-claims-refused", "an unknown claim is refused"),
    ("location", "token-in-cookie", "an ID token in a cookie is let in"),
    ("location", "token-in-query", "an ID token in the query is let in"),
    ("first-login", "login-not-provisioned", "a new user gets no record"),
    ("first-login", "login-provisions-twice", "each login makes another user"),
    ("first-login", "login-shares-organisation", "new users join an old organisation"),
    ("key-rotation", "token-keys-cached", "the issuer's keys are fetched once"),
    (
        "retired-key",
        "token-retired-key-kept",
        "a key of the issuer that was fetched once is trusted for ever",
    ),
)

OAUTH: Rows = (
    ("wrong-secret", "oauth-any-secret", "any secret will do"),
    ("missing-secret", "oauth-secret-optional", "a client needs no secret"),
    ("unknown-client", "oauth-unknown-client-granted", "strangers are granted tokens"),
    ("revoked-client", "oauth-revoked-client-granted", "revoked clients are granted"),
    ("query-credentials", "oauth-query-credentials", "secrets in the query are read"),
    ("get", "oauth-get-granted", "tokens are granted by GET"),
    ("two-methods", "oauth-two-methods", "a client may authenticate twice"),
    ("repeated-parameter", "oauth-repeated-parameter", "parameters may be repeated"),
    ("unsupported-grant", "oauth-any-grant", "grant_type is not read"),
    ("unknown-scope", "oauth-any-scope", "any scope is granted"),
    ("challenge", "oauth-challenge-missing", "401 after Basic has no challenge"),
    ("error", "oauth-wrong-status", "invalid_client comes with 403"),
    ("error-form", "oauth-html-errors", "errors come as HTML"),
    ("no-store", "oauth-cacheable", "tokens may be stored by caches"),
    ("grant", "oauth-token-type-missing", "a grant has no token_type"),
    ("grant", "oauth-expires-in-text", "expires_in is a text"),
    ("no-refresh-token", "oauth-refresh-token", "a refresh token is granted as well"),
    ("concurrent-grants", "oauth-one-token", "a new token ends the one before"),
    (
        "revoked-token",
        "oauth-revoked-token-works",
        "tokens of a revoked client work until they expire",
    ),
    (
        "revoked-token",
        "oauth-replica-late",
        "a replica lets tokens of a revoked client in",
        "replicas",
    ),
    ("no-server-error", "oauth-malformed-crash", "a malformed form crashes"),
    ("lifetime", "oauth-expiry-ignored", "tokens work after they expired"),
    ("lifetime", "oauth-expires-early", "tokens end before they should"),
)

AUTHORIZATION: Rows = (
    ("granted", "authz-granted-refused", "a granted operation is refused"),
    ("refused", "authz-role-ignored", "one operation asks for no role"),
    ("refusal-status", "authz-refused-with-404", "a missing role is answered 404"),
    ("no-effect", "authz-refused-but-done", "a refused deletion is done"),
    ("claimed-role", "authz-role-header-trusted", "X-Role is believed"),
)

TENANCY: Rows = (
    ("read", "tenancy-read", "decisions of others can be read"),
    ("change", "tenancy-change", "decisions of others can be deleted"),
    ("no-effect", "tenancy-refused-but-done", "a refused deletion is done"),
    (
        "refusal-status",
        "tenancy-forbidden-not-concealed",
        "decisions of others are answered 403",
    ),
    (
        "concealment",
        "tenancy-existence-told",
        "404 says whether another has the decision",
    ),
    ("list", "tenancy-list-leak", "decisions of all are listed"),
    ("query", "tenancy-search-leak", "a filter reaches decisions of others"),
    ("override", "tenancy-header-trusted", "X-Organization-Id is believed"),
    ("override", "tenancy-query-trusted", "?tenant_id= is believed"),
    ("write-override", "tenancy-body-trusted", "organisation_id in a body is believed"),
)
