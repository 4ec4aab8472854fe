"""An httpx transport that cannot be held up: every exchange ends by its deadline.

httpx bounds each single read; a target that sends one byte a second passes every one
of those bounds for ever. Here the whole exchange has one deadline, down to the socket.
Knows sockets, TLS and proxies. Must not know probes, budgets or what is recorded.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpcore
import httpx

#: A kept-alive connection idle for longer is not reused: servers close theirs about
#: then, and a request written into a closing connection tells nothing.
KEEPALIVE_SECONDS = 2.0


def tls_context(
    *,
    verify: bool = True,
    ca: Path | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
) -> ssl.SSLContext:
    """Build the client's TLS settings from PEM files.

    Raises:
        OSError: a file cannot be read.
        ssl.SSLError: a file is not what it should be.
    """
    context = httpx.create_ssl_context(verify=verify)
    if ca is not None:
        context.load_verify_locations(cafile=str(ca))
    if certificate is not None:
        context.load_cert_chain(str(certificate), str(key) if key else None)
    return context


class DeadlineTransport(httpx.BaseTransport):
    """An httpx transport over httpcore's pool with a deadline a thread.

    :meth:`deadline` opens the time within which everything this thread does must end;
    past it httpcore raises its ordinary timeouts.
    """

    def __init__(
        self,
        *,
        context: ssl.SSLContext,
        connections: int,
        proxy: str | None = None,
    ) -> None:
        self._clock = _Clock()
        backend = _Backend(self._clock)
        if proxy is None:
            self._pool = httpcore.ConnectionPool(
                ssl_context=context,
                max_connections=connections,
                keepalive_expiry=KEEPALIVE_SECONDS,
                network_backend=backend,
            )
        else:
            url = httpx.URL(proxy)
            self._pool = httpcore.HTTPProxy(
                proxy_url=httpcore.URL(
                    scheme=url.raw_scheme,
                    host=url.raw_host,
                    port=url.port,
                    target=url.raw_path,
                ),
                proxy_auth=((url.username, url.password) if url.username else None),
                ssl_context=context,
                max_connections=connections,
                keepalive_expiry=KEEPALIVE_SECONDS,
                network_backend=backend,
            )

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """Bound all that the calling thread does with this transport inside it."""
        self._clock.at = time.monotonic() + seconds
        try:
            yield
        finally:
            self._clock.at = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and return its response, the body still unread.

        Raises:
            httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError,
            httpcore.ProxyError: as httpcore names what went wrong.
        """
        answer = self.send(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Body(answer),
            extensions=answer.extensions,
        )

    def send(self, request: httpcore.Request) -> httpcore.Response:
        """Do the same with a request that has every field it is to be sent with.

        Nothing is added to it, parsed or normalised, which is most of what a request
        costs that is one of thousands. Close the response.

        Raises:
            httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError,
            httpcore.ProxyError: as httpcore names what went wrong.
        """
        return self._pool.handle_request(request)

    def close(self) -> None:
        """Close every pooled connection."""
        self._pool.close()


class _Body(httpx.SyncByteStream):
    """The unread body of an httpcore response."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


class _Clock(threading.local):
    """The calling thread's deadline on the monotonic clock, when one is open."""

    at: float | None = None

    def bound(self, timeout: float | None) -> float | None:
        """Return the shorter of `timeout` and what is left, at least a millisecond."""
        if self.at is None:
            return timeout
        left = max(self.at - time.monotonic(), 0.001)
        return left if timeout is None else min(timeout, left)

    def expired(self) -> bool:
        return self.at is not None and time.monotonic() >= self.at


class _Backend(httpcore.NetworkBackend):
    """httpcore's socket backend with the thread's deadline in every call."""

    def __init__(self, clock: _Clock) -> None:
        self._clock = clock
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._sockets.connect_tcp(
            host, port, self._clock.bound(timeout), local_address, socket_options
        )
        return _Stream(stream, self._clock)


class _Stream(httpcore.NetworkStream):
    """A connection whose every read and write ends by the thread's deadline."""

    def __init__(self, stream: httpcore.NetworkStream, clock: _Clock) -> None:
        self._stream = stream
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._clock.expired():
            raise httpcore.ReadTimeout("the exchange's time is up")
        return self._stream.read(max_bytes, self._clock.bound(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._clock.expired():
            raise httpcore.WriteTimeout("the exchange's time is up")
        self._stream.write(buffer, self._clock.bound(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(
            ssl_context, server_hostname, self._clock.bound(timeout)
        )
        return _Stream(secured, self._clock)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
