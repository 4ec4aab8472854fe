"""A small notes API as one writes it with Flask and Flask-Limiter.

Keys come from the environment, as JSON: {"KEY": {"revoked": …, "limit": "5/minute"}}.
FAULTS names what is broken, by comma; each is a mistake seen in the field.
"""

import hashlib
import hmac
import json
import os
import uuid
from typing import Any

from flask import Flask, Response, abort, g, jsonify, request
from flask.typing import ResponseReturnValue
from flask_limiter import Limiter
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import BadRequest, HTTPException, Unauthorized

KEYS: dict[str, dict[str, Any]] = json.loads(os.environ["KEYS"])
FAULTS = frozenset(os.environ.get("FAULTS", "").split(","))
PUBLIC = {"health"}

app = Flask(__name__, static_folder=None)
app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
notes: dict[str, dict[str, Any]] = {"n1": {"id": "n1", "text": "first"}}


def authenticate() -> None:
    if request.endpoint in PUBLIC:
        return
    if "forgotten-route" in FAULTS and request.endpoint == "export":
        return
    if "head-open" in FAULTS and request.method in ("HEAD", "OPTIONS"):
        return
    if "open-options" in FAULTS and request.method == "OPTIONS":
        return
    shown = request.headers.get("X-API-Key", "")
    for key, account in KEYS.items():
        if hmac.compare_digest(key.encode(), shown.encode("utf-8", "replace")):
            if account.get("revoked") and "revoked-alive" not in FAULTS:
                break
            g.account, g.key = account, hashlib.sha256(key.encode()).hexdigest()
            return
    raise Unauthorized(
        "A valid key is needed.",
        www_authenticate=WWWAuthenticate("ApiKey", {"realm": "notes"}),
    )


app.before_request(authenticate)
limiter = Limiter(
    lambda: g.get("key", request.remote_addr),
    app=app,
    application_limits=[
        lambda: (
            g.account.get("limit", "2000/minute") if "account" in g else "2000/minute"
        )
    ],
    headers_enabled="no-headers" not in FAULTS,
    strategy="fixed-window",
    storage_uri="memory://",
)


@app.get("/health")
@limiter.exempt
def health() -> ResponseReturnValue:
    return jsonify(status="ok")


@app.get("/notes")
def list_notes() -> ResponseReturnValue:
    return jsonify(notes=list(notes.values()))


@app.post("/notes")
def create_note() -> ResponseReturnValue:
    document = request.get_json()
    text = document.get("text") if isinstance(document, dict) else None
    if "unchecked" in FAULTS:
        text = document["text"].strip()
    if not isinstance(text, str) or not 0 < len(text) <= 500:
        abort(422, "text must have 1 to 500 characters.")
    return jsonify(id=str(uuid.uuid4()), text=text), 201


@app.get("/notes/<note_id>")
def read_note(note_id: str) -> ResponseReturnValue:
    if note_id not in notes:
        abort(404, "There is no such note.")
    return jsonify(notes[note_id])


@app.get("/export/" if "trailing-slash" in FAULTS else "/export")
def export() -> ResponseReturnValue:
    return Response("id,text\nn1,first\n", mimetype="text/csv")


if "html-errors" not in FAULTS:

    @app.errorhandler(RecursionError)
    def too_deep(error: RecursionError) -> ResponseReturnValue:
        # Python's own json gives up so on a deeply nested body.
        return problem(BadRequest("The body is nested too deeply."))

    @app.errorhandler(HTTPException)
    def problem(error: HTTPException) -> ResponseReturnValue:
        response = error.get_response()
        response.data = json.dumps(
            {
                "type": "about:blank",
                "title": error.name,
                "status": error.code,
                "detail": error.description,
            }
        )
        response.content_type = "application/problem+json"
        return response


@app.after_request
def finish(response: Response) -> Response:
    response.headers["X-Content-Type-Options"] = "nosniff"
    if request.endpoint not in PUBLIC:
        response.headers["Cache-Control"] = "private, no-store"
    return response
