# SPDX-License-Identifier: Apache-2.0
"""What is between a client and a server: passes bytes on as they are, and is slow or breaks a connection where a test wants it."""

import contextlib
import socket
import threading
import time

PIECE = 16384


class Relay:
    """A context. `sent` is what went to clients; `rate`, bytes a second of a connection, 0: as fast as it goes."""

    def __init__(self, to):
        self.to, self.sent, self.rate, self.cuts, self.limit, self.open = to, 0, 0, 0, None, []
        self.lock = threading.Lock()

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for s in self.open:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def cut_after(self, count):
        """The connection over which that many more bytes have come ends, once."""
        self.limit = self.sent + count

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.to))
                self.open += [client, server]
                threading.Thread(target=self.carry, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self.carry, args=(server, client, True), daemon=True).start()

    def cut_now(self, n):
        with self.lock:
            self.sent += n
            due = self.limit is not None and self.sent >= self.limit
            if due:
                self.limit, self.cuts = None, self.cuts + 1
            return due

    def carry(self, one, other, down):
        with contextlib.suppress(OSError):
            while data := one.recv(PIECE):
                other.sendall(data)
                if down and self.cut_now(len(data)):
                    break
                if down and self.rate:
                    time.sleep(len(data) / self.rate)
        for s in (one, other):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
