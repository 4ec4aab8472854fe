"""slowapi as its documentation sets it up, keyed by the API key."""

import os
from collections.abc import Awaitable, Callable

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded

KEYS = frozenset(os.environ["KEYS"].split(","))


def key(request: Request) -> str:
    return request.headers.get("x-api-key", "")


def authenticate(request: Request) -> None:
    if key(request) not in KEYS:
        raise HTTPException(401)


limiter = Limiter(key_func=key, headers_enabled=True)
app = FastAPI(openapi_url=None)
app.state.limiter = limiter
app.add_exception_handler(
    RateLimitExceeded,
    _rate_limit_exceeded_handler,  # type: ignore[arg-type]
)


Items = Callable[[Request, Response], Awaitable[dict[str, list[str]]]]
limited: Callable[[Items], Items] = limiter.limit(os.environ["LIMIT"])


@app.get("/items", dependencies=[Depends(authenticate)])
@limited
async def items(request: Request, response: Response) -> dict[str, list[str]]:
    return {"items": []}
