"""A small documents API as one writes it with FastAPI and PyJWT, for two tenants.

API keys come from the environment, as JSON: {"KEY": {"organisation", "revoked"}}; so
does the public key of the issuer of its tokens. FAULTS names what is broken, by comma;
each is a mistake seen in the field.
"""

import hmac
import json
import os
import uuid
from typing import Annotated, Any

import jwt
from fastapi import Depends, FastAPI, HTTPException, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

KEYS: dict[str, dict[str, Any]] = json.loads(os.environ["KEYS"])
PUBLIC_KEY = os.environ["PUBLIC_KEY"]
FAULTS = frozenset(os.environ.get("FAULTS", "").split(","))
ISSUER, AUDIENCE = "https://login.example.test", "documents"

app = FastAPI(title="Documents", version="1.0")
app.add_middleware(GZipMiddleware, minimum_size=500)
app.add_middleware(
    CORSMiddleware,
    allow_origin_regex=".*" if "any-origin" in FAULTS else None,
    allow_origins=["https://app.example.test"],
    allow_credentials="any-origin" in FAULTS,
    allow_methods=["GET", "POST"],
    allow_headers=["Authorization", "X-API-Key"],
)
documents = {
    "d1": {"id": "d1", "organisation": "acme", "text": "first"},
    "d2": {"id": "d2", "organisation": "globex", "text": "second"},
}


def refusal() -> HTTPException:
    return HTTPException(
        401, "Not authenticated", headers={"WWW-Authenticate": 'Bearer realm="docs"'}
    )


def organisation_of_key(key: str) -> str:
    if "strict-ascii" in FAULTS:
        key.encode("ascii")
    for known, account in KEYS.items():
        right, shown = known.encode(), key.encode("utf-8", "replace")
        if "any-case" in FAULTS:
            right, shown = right.lower(), shown.lower()
        if hmac.compare_digest(right, shown) and not account.get("revoked"):
            return str(account["organisation"])
    raise refusal()


def organisation_of_token(token: str) -> str:
    options = {"require": ["exp", "iat", "sub"], "verify_aud": "no-aud" not in FAULTS}
    try:
        claims = jwt.decode(
            token,
            PUBLIC_KEY,
            algorithms=["RS256"],
            audience=AUDIENCE,
            issuer=ISSUER,
            options=options,  # type: ignore[arg-type]
        )
    except jwt.PyJWTError:
        raise refusal() from None
    # What PyJWT leaves to its callers: an empty sub, an exp in quotes, and padding.
    careful = claims["sub"] and not isinstance(claims["exp"], str) and "=" not in token
    if not careful and "pyjwt-alone" not in FAULTS:
        raise refusal()
    return str(claims.get("organisation", "acme"))


def caller(
    request: Request,
    key: Annotated[
        str | None, Security(APIKeyHeader(name="X-API-Key", auto_error=False))
    ],
    bearer: Annotated[
        HTTPAuthorizationCredentials | None, Security(HTTPBearer(auto_error=False))
    ],
) -> str:
    """Return the organisation of the caller."""
    if "key-in-query" in FAULTS and key is None:
        key = request.query_params.get("X-API-Key")
    if key is not None:
        return organisation_of_key(key)
    if bearer is not None:
        return organisation_of_token(bearer.credentials)
    raise refusal()


Organisation = Annotated[str, Depends(caller)]


class New(BaseModel):
    text: str = Field(min_length=1, max_length=500)


@app.middleware("http")
async def finish(request: Request, call_next: Any) -> Response:
    response: Response = await call_next(request)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response


if "echoing-validation" not in FAULTS:

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        # FastAPI's own repeats the input, and fails on what JSON cannot say: Infinity.
        return JSONResponse({"detail": "The request is not valid."}, 422)


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/documents")
def list_documents(organisation: Organisation) -> dict[str, Any]:
    return {
        "documents": [
            item
            for item in documents.values()
            if item["organisation"] == organisation or "unfiltered" in FAULTS
        ]
    }


@app.post("/documents", status_code=201)
def create_document(new: New, organisation: Organisation) -> dict[str, str]:
    return {"id": uuid.uuid4().hex, "organisation": organisation, "text": new.text}


@app.get("/documents/{document_id}")
def read_document(document_id: str, organisation: Organisation) -> dict[str, str]:
    found = documents.get(document_id)
    owned = found and found["organisation"] == organisation
    if found is None or not (owned or "any-tenant" in FAULTS):
        raise HTTPException(404, "There is no such document")
    return found


@app.get("/export", dependencies=[] if "forgotten" in FAULTS else [Depends(caller)])
def export() -> dict[str, int]:
    return {"count": len(documents)}
