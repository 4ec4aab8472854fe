"""The error envelope: `{"error": {"code", "message"}}`, and the codes there are.

Knows statuses and sentences. Must not know why an error arises.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from tollproof.reference.sparkient.messages import Answer

#: The code that belongs to each status.
CODES: Mapping[int, str] = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "request_timeout",
    413: "payload_too_large",
    414: "uri_too_long",
    415: "unsupported_media_type",
    422: "validation_failed",
    429: "rate_limited",
    431: "headers_too_large",
    500: "internal_error",
}


class ApiError(Exception):
    """An answer that ends the handling of a request.

    Attributes:
        fields: header fields that belong to this error, such as `Allow`.
    """

    def __init__(self, status: int, message: str, **fields: str) -> None:
        self.status = status
        self.message = message
        self.fields = {name.replace("_", "-"): text for name, text in fields.items()}
        super().__init__(status, message)

    def answer(self) -> Answer:
        """Return the error as it is sent."""
        return envelope(self.status, self.message, self.fields)


def envelope(
    status: int,
    message: str,
    fields: Mapping[str, str] | None = None,
    *,
    code: str | None = None,
) -> Answer:
    """Return an error answer with the code that belongs to its status."""
    body = {"error": {"code": code or CODES[status], "message": message}}
    return Answer(
        status=status,
        body=json.dumps(body, separators=(",", ":")).encode(),
        fields={"content-type": "application/json", **(fields or {})},
    )
