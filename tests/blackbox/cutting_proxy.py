"""A TCP proxy before a server that loses connections when the test says so: a phone in a tunnel."""

import contextlib
import socket
import threading


class CuttingProxy:
    """Passes bytes between its own port and the server's. `cut()` breaks what is open; while `away` is
    true new connections are closed at once; `cut_after = n` breaks each connection after n more bytes of answers."""

    def __init__(self, server_url):
        host, _, port = server_url.removeprefix("http://").rpartition(":")
        self.target, self.away, self.cut_after = (host, int(port)), False, None
        self.lock, self.open, self.accepted = threading.Lock(), set(), 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.socket.accept()
                self.accepted += 1
                if self.away:
                    client.close()
                    continue
                try:
                    server = socket.create_connection(self.target)
                except OSError:
                    client.close()
                    continue
                with self.lock:
                    self.open |= {client, server}
                threading.Thread(target=self.copy, args=(client, server, None), daemon=True).start()
                threading.Thread(target=self.copy, args=(server, client, self.cut_after), daemon=True).start()

    def copy(self, source, sink, left):
        with contextlib.suppress(OSError):
            while data := source.recv(65536 if left is None else min(65536, left)):
                sink.sendall(data)
                if left is not None and (left := left - len(data)) <= 0:
                    break
        self.end(source, sink)

    def end(self, *sockets):
        with self.lock:
            for one in sockets:
                if one in self.open:
                    self.open.discard(one)
                    with contextlib.suppress(OSError):
                        one.shutdown(socket.SHUT_RDWR)
                    one.close()

    def cut(self):
        with self.lock:
            doomed = list(self.open)
        self.end(*doomed)

    def close(self):
        self.socket.close()
        self.cut()
