"""A real HTTP receiver on loopback that keeps what it got and answers what it is told."""

from __future__ import annotations

import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """``with Receiver() as receiver``: ``receiver.url`` takes POSTs; ``answers`` are used one by one."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.got: list[tuple[bytes, dict[str, str]]] = []
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.trickle_s = 0.0
        """Between two bytes of an answer's body."""
        self.headers_trickle_s = 0.0
        """Between two headers."""
        self.answering = threading.Event()
        """While it is clear, nobody gets an answer."""
        self.answering.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", "0"))
                outer.got.append((self.rfile.read(length), dict(self.headers.items())))
                outer.answering.wait(10)
                status, headers, body = outer.answers.pop(0) if outer.answers else (204, {}, b"")
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                    if outer.headers_trickle_s:
                        outer._rest(self)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                try:
                    outer._write(self.wfile, body)
                except OSError:
                    return

            do_GET = do_POST

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            # The handshake is the handler's: one that fails there ends no server.
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def _rest(self, handler: BaseHTTPRequestHandler) -> None:
        """What was written so far goes out; then a pause."""
        try:
            handler.flush_headers()
        except OSError:
            return
        time.sleep(self.headers_trickle_s)

    def _write(self, file: Any, body: bytes) -> None:
        if not self.trickle_s:
            file.write(body)
            return
        for at in range(len(body)):
            file.write(body[at : at + 1])
            file.flush()
            time.sleep(self.trickle_s)

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
