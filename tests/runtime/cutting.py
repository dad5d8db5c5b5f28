"""A TCP proxy on loopback that cuts connections where a test says, to see what a client makes of it."""

import socket
import threading
from contextlib import suppress

_WAIT = 0.05


class CuttingProxy:
    """Passes bytes to a server; `plan` says, for each connection in turn, when to cut it.

    An entry is how many bytes of the answer to let through before the cut: 0 cuts
    when the request has reached the server but nothing has come back, None never cuts.
    Connections after the plan are left alone. `sent` counts the bytes that clients sent.
    """

    def __init__(self, address, plan=()):
        host, _, port = address.removeprefix("http://").partition(":")
        self._target, self._plan = (host, int(port)), list(plan)
        self._lock, self.connections, self.cuts, self.sent = threading.Lock(), 0, 0, 0
        self._open, self._stopped = set(), threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_WAIT)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._stopped.set()
        self.cut_all()
        for thread in list(self._threads):
            thread.join(5)
        self._listener.close()

    def plan(self, plan):
        """Cut what is open, and later connections as planned."""
        self._plan = list(plan)
        self.cut_all()

    def aim(self, address):
        """Pass later connections to another server."""
        host, _, port = address.removeprefix("http://").partition(":")
        self._target = (host, int(port))

    def cut_all(self):
        """Cut every connection that is open."""
        with self._lock:
            pairs = list(self._open)
        for pair in pairs:
            self._cut(pair)

    def _accept(self):
        while not self._stopped.is_set():
            with suppress(TimeoutError):
                inward, _ = self._listener.accept()
                with self._lock:
                    limit = self._plan.pop(0) if self._plan else None
                    self.connections += 1
                try:
                    outward = socket.create_connection(self._target, 5)
                except OSError:
                    inward.close()
                    continue
                self._join(inward, outward, limit)

    def _join(self, inward, outward, limit):
        pair = (inward, outward)
        for end in pair:
            end.settimeout(_WAIT)
        with self._lock:
            self._open.add(pair)
        for source, sink, most in ((inward, outward, None), (outward, inward, limit)):
            thread = threading.Thread(target=self._pass, args=(pair, source, sink, most), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _pass(self, pair, source, sink, most):
        left = most
        while not self._stopped.is_set():
            try:
                data = source.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                break
            if left is not None and len(data) > left:
                with suppress(OSError):
                    sink.sendall(data[:left])
                self.cuts += 1
                break
            left = None if left is None else left - len(data)
            self.sent += len(data) if source is pair[0] else 0
            if not data or not self._sent(sink, data):
                break
        self._cut(pair)

    def _sent(self, sink, data):
        view = memoryview(data)
        while view and not self._stopped.is_set():
            try:
                view = view[sink.send(view) :]
            except TimeoutError:
                continue
            except OSError:
                return False
        return True

    def _cut(self, pair):
        with self._lock:
            self._open.discard(pair)
        for end in pair:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
