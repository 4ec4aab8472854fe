"""The faults of keys that come and go, and of where secrets lie, by suite.

Each row: the check that notices it, its name, what is wrong, and what must be started
for it to show. See `faults`.
"""

from __future__ import annotations

Rows = tuple[tuple[str, ...], ...]

ROTATION: Rows = (
    ("active-in-time", "rotation-slow-activation", "a new key works after 1.5 s only"),
    ("overlap", "rotation-no-overlap", "a new key revokes an older one at once"),
    (
        "no-request-lost",
        "rotation-requests-dropped",
        "some requests fail while a new key is made",
    ),
    (
        "revoked-in-time",
        "rotation-revocation-cached",
        "a revoked key works for another 1.5 s",
    ),
    (
        "stays-revoked",
        "rotation-revocation-forgotten",
        "a revoked key works again after 1.6 s",
    ),
    (
        "new-key-untouched",
        "rotation-successor-revoked",
        "revoking a key revokes the newest one too",
    ),
    (
        "others-untouched",
        "rotation-others-locked-out",
        "revoking a key locks another out for half a second",
    ),
    (
        "own-allowance",
        "rotation-allowance-shared",
        "keys of one name share an allowance",
    ),
    (
        "at-once",
        "rotation-simultaneous-lost",
        "of two revocations at the same moment one is lost",
    ),
    (
        "while-limited",
        "rotation-limit-inherited",
        "a key made while another is throttled is throttled too",
    ),
    (
        "revoked-answer",
        "rotation-fresh-revocation-told",
        "a key is told that it was just revoked",
    ),
    ("listed", "rotation-key-unlisted", "a new key is not listed"),
    ("masked", "rotation-mask-too-short", "a listing shows 8 characters of a key"),
    ("key-format", "rotation-key-malformed", "new keys have a dash in them"),
    ("unique-keys", "rotation-key-repeated", "the same key is given out twice"),
    ("key-entropy", "rotation-key-guessable", "24 characters of a key are always 0"),
    ("key-structure", "rotation-key-counted", "keys end in a running number"),
    (
        "replicas",
        "rotation-replica-late",
        "a replica lets a revoked key in for another 1.5 s",
        "replicas",
    ),
    (
        "active-in-time",
        "rotation-replica-slow",
        "a new key works at a replica after 1.5 s only",
        "replicas",
    ),
)
SECRETS: Rows = (
    ("in-answer", "secrets-key-in-answer", "an answer holds the key in base64"),
    ("in-error", "secrets-key-in-error", "403 quotes the key"),
    ("in-header", "secrets-key-in-header", "X-Trace is the key in hexadecimal"),
    ("in-redirect", "secrets-key-in-location", "Location carries the key"),
    ("stored-raw", "secrets-key-stored", "keys are stored in base64"),
    ("stored-unsalted", "secrets-digest-unsalted", "keys are stored as SHA-256"),
    (
        "stored-unkeyed",
        "secrets-digest-unkeyed",
        "keys are stored as salted SHA-256, without a key",
    ),
    ("stored-salt", "secrets-one-salt", "all keys have the same salt"),
    ("logs", "secrets-key-in-log", "the log holds Authorization fields"),
    ("pages", "secrets-key-in-bundle", "the dashboard's script holds a key"),
    (
        "page-patterns",
        "secrets-cloud-key-in-map",
        "the script's source map holds a cloud's key",
    ),
    ("source", "secrets-key-in-source", "a source file holds a key"),
    (
        "source",
        "secrets-cloud-key-in-source",
        "a source file holds a cloud's key, with a comment to hide it",
    ),
    (
        "source-code",
        "secrets-shell-in-source",
        "a source file builds a shell command of its argument",
    ),
    ("history", "secrets-key-in-history", "a former commit holds a key"),
)
