"""Flask-Limiter as its documentation sets it up, keyed by the API key.

KEYS lists the keys that are let in, by comma; STRATEGY and STORAGE are Flask-Limiter's
own settings.
"""

import os

from flask import Flask, abort, g, jsonify, request
from flask.typing import ResponseReturnValue
from flask_limiter import Limiter

KEYS = frozenset(os.environ["KEYS"].split(","))

app = Flask(__name__, static_folder=None)


def authenticate() -> None:
    shown = request.headers.get("X-API-Key", "")
    if shown not in KEYS:
        abort(401)
    g.key = shown


app.before_request(authenticate)
limiter = Limiter(
    lambda: str(g.get("key", "nobody")),
    app=app,
    default_limits=[os.environ["LIMIT"]],
    default_limits_per_method=False,
    storage_uri=os.environ["STORAGE"],
    strategy=os.environ["STRATEGY"],
    headers_enabled=True,
)


@app.get("/items")
def items() -> ResponseReturnValue:
    return jsonify(items=[])
