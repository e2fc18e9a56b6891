"""A peer that keeps to the windows it is given, as a client that means harm and is let go on would.

One that overruns them is cut off for that, and shows nothing of how much a server keeps for it.
"""

from __future__ import annotations

import struct

from tests.stress.hostile.http2 import (
    ACK,
    DATA,
    END_HEADERS,
    HEADERS,
    PATH,
    PING,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Peer,
    frame,
    request_headers,
)

FIRST_WINDOW = 65_535
FRAME_BYTES = 16_384
HEAD_BYTES = 9
SETTINGS_INITIAL_WINDOW = 4
# Nobody was let send for so many rounds of some 10 ms per connection: the server takes no more.
SILENT_ROUNDS = 8


class WindowedPeer:
    """One connection with many calls, each a message that never ends."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._peer = Peer(address).hello()
        self._window = FIRST_WINDOW
        self._first_window = FIRST_WINDOW
        self._windows: dict[int, int] = {}
        self._unread = b""
        self.ended: set[int] = set()
        """Calls that the server has ended."""
        self.is_closed = False

    def open(
        self,
        stream: int,
        announced: int,
        path: bytes = PATH,
        *more: tuple[bytes, bytes],
        is_compressed: bool = False,
    ) -> None:
        """Begin a call whose message announces so many bytes."""
        self._windows[stream] = self._first_window
        self._send(frame(HEADERS, END_HEADERS, stream, request_headers(path, *more)))
        self._send_within(stream, bytes([is_compressed]) + struct.pack(">I", announced))

    def send_more(self, stream: int, bytes_max: int, content: bytes = b"") -> int:
        """Bytes of its message (zeros, or the first of ``content``) that the windows let go now."""
        if stream in self.ended or self.is_closed:
            return 0
        count = max(0, min(bytes_max, self._window, self._windows[stream], FRAME_BYTES))
        if count:
            self._send_within(stream, content[:count] or bytes(count))
        return count

    def read(self, seconds: float) -> None:
        """Take in what the server says."""
        self._peer.socket.settimeout(seconds)
        try:
            piece = self._peer.socket.recv(65_536)
            self.is_closed = self.is_closed or not piece
            self._unread += piece
        except TimeoutError:
            pass
        except OSError:
            self.is_closed = True
        while len(self._unread) >= HEAD_BYTES:
            size = HEAD_BYTES + int.from_bytes(self._unread[:3])
            if len(self._unread) < size:
                break
            self._understand(self._unread[:size])
            self._unread = self._unread[size:]

    def _understand(self, whole: bytes) -> None:
        kind, flags, stream = whole[3], whole[4], struct.unpack(">I", whole[5:HEAD_BYTES])[0]
        payload = whole[HEAD_BYTES:]
        if kind == SETTINGS and not flags & ACK:
            for place in range(0, len(payload), 6):
                name, value = struct.unpack(">HI", payload[place : place + 6])
                if name == SETTINGS_INITIAL_WINDOW:
                    for each in self._windows:
                        self._windows[each] += value - self._first_window
                    self._first_window = value
            self._send(frame(SETTINGS, ACK))
        elif kind == PING and not flags & ACK:
            self._send(frame(PING, ACK, 0, payload))
        elif kind == WINDOW_UPDATE:
            (more,) = struct.unpack(">I", payload)
            if stream:
                self._windows[stream] = self._windows.get(stream, 0) + more
            else:
                self._window += more
        elif kind in (RST_STREAM, HEADERS):
            # An answer, before the message is whole, is a refusal.
            self.ended.add(stream)

    def _send_within(self, stream: int, content: bytes) -> None:
        self._window -= len(content)
        self._windows[stream] -= len(content)
        self._send(frame(DATA, 0, stream, content))

    def _send(self, content: bytes) -> None:
        self._peer.socket.settimeout(5)
        self.is_closed = not self._peer.send(content) or self.is_closed

    def close(self) -> None:
        self._peer.close()


def hold(peers: list[WindowedPeer], streams: range, bytes_each: int, *, rounds_max: int = 20_000) -> int:
    """Send as much of every call's message as the server takes; the bytes that it took.

    Ends when everything is sent or refused, or when nobody was let send for a while.
    """
    left = {(place, stream): bytes_each for place in range(len(peers)) for stream in streams}
    taken = silent = 0
    for _ in range(rounds_max):
        progress = 0
        for (place, stream), rest in tuple(left.items()):
            sent = peers[place].send_more(stream, rest)
            left[place, stream] -= sent
            progress += sent
            if peers[place].is_closed or stream in peers[place].ended:
                left[place, stream] = 0
        for each in peers:
            each.read(0.0005 if progress else 0.01)
        taken += progress
        silent = 0 if progress else silent + 1
        if silent > SILENT_ROUNDS or not any(left.values()):
            break
    return taken
