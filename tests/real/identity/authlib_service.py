# mypy: ignore-errors
# (Another interpreter runs it, which has the library.)
"""A token endpoint by Authlib, which is tolerant, and one operation that takes tokens.

Run by an interpreter that has Authlib and Flask: `python authlib_service.py`. Prints
its URL and serves until it is ended.
"""

import logging
import os
import sys
import time

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc6750 import BearerTokenValidator
from flask import Flask, jsonify
from werkzeug.serving import make_server

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
CLIENT, SECRET, LIFE = "client_svc", "authlib-secret-4f1c9a27e0b8", 300
TOKENS = {}


class Client(ClientMixin):
    """The one client."""

    def get_client_id(self):
        return CLIENT

    def get_default_redirect_uri(self):
        return ""

    def get_allowed_scope(self, scope):
        return " ".join(item for item in (scope or "").split() if item == "read")

    def check_redirect_uri(self, redirect_uri):
        return False

    def check_client_secret(self, client_secret):
        return client_secret == SECRET

    def check_endpoint_auth_method(self, method, endpoint):
        return method in ("client_secret_post", "client_secret_basic")

    def check_response_type(self, response_type):
        return False

    def check_grant_type(self, grant_type):
        return grant_type == "client_credentials"


class Token(dict):
    """A token that was granted."""

    def is_expired(self):
        return time.time() >= self["issued"] + self["expires_in"]

    def is_revoked(self):
        return False

    def get_scope(self):
        return self.get("scope", "")


class Grant(grants.ClientCredentialsGrant):
    """Client credentials, by body or Basic."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")


class Validator(BearerTokenValidator):
    """Knows the tokens that were granted."""

    def authenticate_token(self, token_string):
        return TOKENS.get(token_string)


def build():
    app = Flask(__name__)
    app.config["OAUTH2_SCOPES_SUPPORTED"] = ["read"]
    app.config["OAUTH2_TOKEN_EXPIRES_IN"] = {"client_credentials": LIFE}

    def save(token, request):
        TOKENS[token["access_token"]] = Token(token, issued=time.time())

    server = AuthorizationServer(
        app,
        query_client=lambda name: Client() if name == CLIENT else None,
        save_token=save,
    )
    server.register_grant(Grant)
    protector = ResourceProtector()
    protector.register_token_validator(Validator())

    @app.post("/token")
    def token():
        return server.create_token_response()

    @app.get("/me")
    @protector()
    def me():
        return jsonify(client=CLIENT)

    return app


if __name__ == "__main__":
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    serving = make_server("127.0.0.1", 0, build(), threaded=True)
    sys.stdout.write(f"http://127.0.0.1:{serving.server_port}\n")
    sys.stdout.flush()
    serving.serve_forever()
