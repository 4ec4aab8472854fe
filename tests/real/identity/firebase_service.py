# mypy: ignore-errors
# (Another interpreter runs it, which has the library.)
"""A service whose ID tokens are verified by the real firebase-admin.

Run by an interpreter that has it: `python firebase_service.py PROJECT CERTIFICATES`.
Google's certificate URL is replaced by a local one; with FIREBASE_AUTH_EMULATOR_HOST
set the library verifies nothing. Prints its URL and serves until it is ended.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import firebase_admin
from firebase_admin import _token_gen, auth
from google.auth.credentials import AnonymousCredentials


class _Nobody(firebase_admin.credentials.Base):
    """Credentials of nobody: verifying takes none."""

    def get_credential(self):
        return AnonymousCredentials()


class Handler(BaseHTTPRequestHandler):
    """One protected operation."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if self.path != "/me":
            self._answer(404, {"error": "not_found"})
            return
        try:
            if scheme.lower() != "bearer":
                raise ValueError(scheme)
            claims = auth.verify_id_token(token)
        except (ValueError, auth.InvalidIdTokenError, auth.CertificateFetchError):
            self._answer(401, {"error": "unauthorized"})
            return
        self._answer(200, {"user": claims["uid"]})

    def _answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 401:
            self.send_header("WWW-Authenticate", "Bearer")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Write nothing on the terminal."""


def main(project, certificates):
    _token_gen.ID_TOKEN_CERT_URI = certificates
    firebase_admin.initialize_app(_Nobody(), {"projectId": project})
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
