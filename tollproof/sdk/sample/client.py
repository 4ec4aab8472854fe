"""A client SDK of an imaginary platform: small, complete, and right unless told not to.

It keeps every promise that the suite `sdk` judges, and can be given one named fault
after another (`faults.py`), so that each check is seen to fail. Standard library only;
knows nothing of tollproof. Do not use it: it is a target.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import re
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

logger = logging.getLogger("sample")

KEY_HEADER = "X-Sample-Key"
HOST = "sample.test"
TOKEN_PATH = "/oauth/token"  # noqa: S105  (a path)
RETRIES = 2
ENDLESS = 10_000
MARGIN = 0.2  # seconds before its expiry from which a token is not used
REDIRECTS = (301, 302, 303, 307, 308)
MECHANISMS = ("api_key", "token", "client_id", "credentials_file")

Headers = dict[str, str]


class SampleError(Exception):
    """What the SDK raises; holds nothing that is secret."""

    def __init__(self, message: str, status: int = 0) -> None:
        self.status = status
        super().__init__(message)

    def to_dict(self) -> dict[str, Any]:
        return {"message": str(self), "status": self.status}


@dataclass(frozen=True, slots=True)
class Response:
    """An answer of the platform."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token and when it ends, on the monotonic clock."""

    value: str
    until: float


def resolve(given: Mapping[str, Any], faults: Collection[str]) -> dict[str, Any]:
    """Return what counts: the arguments, or the environment where there are none.

    A mechanism that is given by argument puts those of the environment aside.
    """

    def variable(name: str, fault: str) -> str | None:
        return None if fault in faults else os.environ.get(name)

    env = {
        "api_key": variable("SAMPLE_API_KEY", "sdk-env-key-ignored"),
        "token": variable("SAMPLE_TOKEN", "sdk-env-token-ignored"),
        "client_id": variable("SAMPLE_CLIENT_ID", "sdk-env-client-ignored"),
        "client_secret": os.environ.get("SAMPLE_CLIENT_SECRET"),
        "credentials_file": variable("SAMPLE_CREDENTIALS", "sdk-env-file-ignored"),
    }
    argued = {name: given[name] for name in env if given.get(name)}
    found = dict(argued) if set(argued) & set(MECHANISMS) else env
    if "sdk-env-wins" in faults:
        found |= {name: env[name] for name in argued if env[name]}
    if "sdk-env-client-wins" in faults and argued.get("api_key") not in (None, "open"):
        found = {**found, "api_key": None} if env["client_id"] else found
        found |= {name: env[name] for name in ("client_id", "client_secret")}
    if "sdk-env-beats-open" in faults and argued.get("api_key") == "open":
        found = {"token": env["token"]} if env["token"] else found
    url = variable("SAMPLE_BASE_URL", "sdk-env-url-ignored")
    return {**dict.fromkeys(env), **found, "base_url": given.get("base_url") or url}


def check_host(url: str, faults: Collection[str]) -> str:
    """Return the URL of a platform that may have our credentials.

    Raises:
        SampleError: it is somebody else's.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    ours = host == HOST or host.endswith(f".{HOST}")
    if "sdk-host-by-substring" in faults:
        ours = HOST in url
    if not ours and host != "127.0.0.1":
        raise SampleError("the base URL is not one of the platform")
    return f"{parts.scheme}://{parts.netloc}"


class Client:
    """A client of the platform, to be shared between threads."""

    def __init__(self, *, faults: Collection[str] = (), **given: Any) -> None:
        self._faults = faults
        found = resolve(given, faults)
        if not found["base_url"]:
            raise SampleError("there is no base URL: give base_url or SAMPLE_BASE_URL")
        self._url = check_host(found["base_url"], faults)
        self._key: str | None = found["api_key"]
        self._token = self._bare(found["token"])
        self._id, self._secret = self._client(found)
        retries = given.get("max_retries")
        if "sdk-zero-means-default" in faults:
            retries = retries or RETRIES
        self._retries = RETRIES if retries is None else retries
        self._lock = threading.Lock()
        self._access: AccessToken | None = None
        if not (self._key or self._token or self._id):
            raise SampleError("there is no credential: give one, or api_key='open'")

    def _bare(self, token: str | None) -> str | None:
        if token is None or "sdk-prefix-doubled" in self._faults:
            return token
        if "sdk-token-mangled" in self._faults:
            return re.sub("(?i)bearer", "", token).strip()
        return re.sub("(?i)^bearer +", "", token.strip())

    def _client(self, found: Mapping[str, Any]) -> tuple[str | None, str | None]:
        if not found["credentials_file"]:
            return found["client_id"], found["client_secret"]
        try:
            document = json.loads(Path(found["credentials_file"]).read_text("utf-8"))
            pair = document["client_id"], document["client_secret"]
        except (OSError, ValueError, KeyError, TypeError):
            raise SampleError("the credentials file cannot be used") from None
        by_path = "sdk-file-secret-wrong" in self._faults
        return (pair[0], pair[0]) if by_path else pair

    # -- looks -----------------------------------------------------------------------

    def _mask(self, value: str | None) -> str | None:
        """Show the last four characters, unless they would be much of it."""
        if value is None:
            return None
        shown = 4 if len(value) >= 12 or "sdk-mask-spares-four" in self._faults else 0
        return "****" + (value[-shown:] if shown else "")

    @property
    def api_key(self) -> str | None:
        return (
            self._key if "sdk-key-readable" in self._faults else self._mask(self._key)
        )

    @property
    def token(self) -> str | None:
        bare = "sdk-token-readable" in self._faults
        return self._token if bare else self._mask(self._token)

    @property
    def client_secret(self) -> str | None:
        bare = "sdk-secret-readable" in self._faults
        return self._secret if bare else self._mask(self._secret)

    def __str__(self) -> str:
        shown = (
            self._key if "sdk-key-printed" in self._faults else self._mask(self._key)
        )
        token = self._mask(self._token)
        return f"Client at {self._url} with {shown or token or self._id}"

    def __repr__(self) -> str:
        secret = self._mask(self._secret)
        if "sdk-secret-inspected" in self._faults:
            secret = self._secret
        return (
            f"Client({self._url!r}, client_id={self._id!r}, client_secret={secret!r})"
        )

    def __getstate__(self) -> dict[str, Any]:
        raise TypeError("a client holds credentials and cannot be pickled")

    def to_dict(self) -> dict[str, Any]:
        bare = "sdk-token-serialised" in self._faults
        token = self._token if bare else self._mask(self._token)
        return {"base_url": self._url, "api_key": self._mask(self._key), "token": token}

    def copy(self) -> Client:
        """Return another client with the same credentials."""
        key = self._mask(self._key) if "sdk-copy-masked" in self._faults else self._key
        return Client(
            faults=self._faults,
            base_url=self._url,
            api_key=key,
            token=self._token,
            client_id=self._id,
            client_secret=self._secret,
            max_retries=self._retries,
        )

    # -- credentials -----------------------------------------------------------------

    @property
    def _mechanism(self) -> str:
        reversed_order = "sdk-order-reversed" in self._faults and self._token
        if self._key and not reversed_order:
            return "open" if self._key == "open" else "api_key"
        return "token" if self._token else "oauth"

    def _credential(self) -> Headers:
        faults, mechanism = self._faults, self._mechanism
        if mechanism == "open":
            return {KEY_HEADER: "open"} if "sdk-open-sent" in faults else {}
        if mechanism == "api_key":
            other = "sdk-key-in-other-header" in faults
            headers = {"X-API-Key" if other else KEY_HEADER: str(self._key)}
            if "sdk-two-credentials" in faults and self._token:
                headers["Authorization"] = f"Bearer {self._token}"
            if "sdk-key-in-user-agent" in faults:
                headers["X-Client"] = f"sample/1.0 {self._key}"
            return headers
        if mechanism == "token":
            scheme = "Token" if "sdk-token-without-bearer" in faults else "Bearer"
            return {"Authorization": f"{scheme} {self._token}"}
        token = self._access_token()
        cut = "sdk-grant-not-used" in faults
        return {"Authorization": f"Bearer {token[: len(token) // 2] if cut else token}"}

    def _access_token(self) -> str:
        """Return a token that is not about to expire; threads wait for one another."""
        faults = self._faults
        if "sdk-call-before-token" in faults and self._access is None:
            self._access = AccessToken("None", time.monotonic() + 60)
            return "None"
        if "sdk-grant-unshared" in faults and self._access is None:
            self._access = fresh = self._grant()
            return fresh.value
        with self._lock:
            held = self._access
            expired = held is None or time.monotonic() >= held.until - MARGIN
            if "sdk-expiry-ignored" in faults and held is not None:
                expired = False
            if held is None or expired or "sdk-grant-each-call" in faults:
                held = self._access = self._grant()
            return held.value

    def _grant(self) -> AccessToken:
        form = {
            "grant_type": "client_credentials",
            "client_id": str(self._id),
            "client_secret": str(self._secret),
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode(form)
        if "sdk-token-request-json" in self._faults:
            headers, body = {"Content-Type": "application/json"}, json.dumps(form)
        if "sdk-token-request-stray" in self._faults:
            headers["Authorization"] = "Bearer None"
        endless = ENDLESS if "sdk-grant-endless" in self._faults else 0
        for _ in range(endless + 1):
            asked = time.monotonic()
            response = self._send("POST", self._url + TOKEN_PATH, headers, body)
            if response.status == 200:
                break
        if response.status != 200:
            raise SampleError("no access token is granted", response.status)
        try:
            document = json.loads(response.body)
            value, life = document["access_token"], float(document["expires_in"])
        except (ValueError, KeyError, TypeError):
            raise SampleError("the token endpoint grants no access token") from None
        return AccessToken(str(value), asked + life)

    def refresh(self) -> None:
        """Fetch another access token now."""
        with self._lock:
            fresh = self._grant()
            if "sdk-refresh-kept" not in self._faults or self._access is None:
                self._access = fresh

    def _renew(self, refused: str) -> None:
        """Replace a token that was refused, unless another thread has done so."""
        with self._lock:
            if self._access is None or self._access.value == refused:
                self._access = self._grant()

    # -- calls -----------------------------------------------------------------------

    def call(self) -> Any:
        """Make a call of the API and return what it says.

        Raises:
            SampleError: it was refused, or there was no answer.
        """
        faults = self._faults
        attempts = renewals = 0
        may_renew = ENDLESS if "sdk-refresh-endless" in faults else 1
        may_renew = 0 if "sdk-401-final" in faults else may_renew
        while True:
            headers = self._credential()
            url = f"{self._url}/api/v1/things"
            if "sdk-key-in-url" in faults and self._mechanism == "api_key":
                url += f"?api_key={self._key}"
            response = self._send("GET", url, headers)
            status = response.status
            shown = headers.get("Authorization", "").removeprefix("Bearer ")
            placeholder = shown == "None"
            if (
                status == 401
                and self._mechanism == "oauth"
                and (renewals < may_renew or placeholder)
            ):
                renewals += 1
                self._renew(shown)
            elif self._is_repeated(status, attempts):
                time.sleep(self._pause(response, attempts))
                attempts += 1
            elif not 200 <= status < 300:
                text = f"the call was answered {status}"
                if "sdk-header-in-error" in faults:
                    text += f" to {headers}"
                raise SampleError(text, status)
            else:
                return json.loads(response.body or b"null")

    def _is_repeated(self, status: int, attempts: int) -> bool:
        faults = self._faults
        if status == 429 and "sdk-429-final" in faults:
            return False
        if status == 403 and "sdk-403-retried" in faults:
            return attempts < 1
        endless = (status == 429 and "sdk-429-endless" in faults) or (
            status == 503 and "sdk-503-endless" in faults
        )
        most = ENDLESS if endless and self._retries else self._retries
        return status in (0, 429, 503) and attempts < most

    def _pause(self, response: Response, attempts: int) -> float:
        told = response.headers.get("retry-after", "")
        if told.isdecimal() and "sdk-retry-at-once" not in self._faults:
            return float(told)
        if (
            told
            and not told.isdecimal()
            and "sdk-retry-date-ignored" not in self._faults
        ):
            return (
                max(0.0, parsedate_to_datetime(told).timestamp() - time.time()) + 0.01
            )
        return min(0.02 * (attempts + 1), 0.1)

    def _send(
        self, method: str, url: str, headers: Headers, body: str | None = None
    ) -> Response:
        """Send a request; follow redirects, but show a stranger nothing of ours."""
        bare: Headers = {"User-Agent": "sample/1.0"}
        for _ in range(5):
            response = self._exchange(method, url, {**bare, **headers}, body)
            target = response.headers.get("location", "")
            if response.status not in REDIRECTS or not target:
                return response
            former, url = urlsplit(url).netloc, urljoin(url, target)
            if urlsplit(url).netloc != former:
                kept = body is None and "sdk-redirect-with-key" in self._faults
                if body is not None and "sdk-redirect-with-secret" not in self._faults:
                    return response
                headers = headers if kept or body is not None else {}
        return response

    def _exchange(
        self, method: str, url: str, headers: Headers, body: str | None
    ) -> Response:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=10)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request(method, target, body=body, headers=headers)
            answer = connection.getresponse()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            response = Response(answer.status, fields, answer.read())
        except (OSError, http.client.HTTPException):
            response = Response(0, {}, b"")
        finally:
            connection.close()
        quoted = f" with {headers}" if "sdk-header-logged" in self._faults else ""
        logger.debug("%s %s%s: %s", method, parts.path, quoted, response.status)
        return response
