"""HTTP/1.1 load on bare sockets: each connection sends its next request when the answer to the last one is in.

Answers are told apart by Content-Length and checked for their status. No event loop and no HTTP library, and no sleep
while answers are awaited: the server is to be the bottleneck, not the load, and a load that slept would be woken by
each answer at the server's cost, the more often the slower the server. It takes a core of its own.
"""

import select
import socket
import time

SILENCE_S = 30
_BUFFER = bytearray(512 * 1024)
_VIEW = memoryview(_BUFFER)


class Caller:
    """One connection, which sends what `requests` gives until it ends."""

    def __init__(self, address, requests):
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.requests = iter(requests)
        self.left = 0  # bytes of the present answer's body that are still to come
        self.head = b""
        self.answers = self.body_bytes = 0
        self.last = b""  # the last answer's body, when it came in one piece with its head

    def ask(self):
        """Send the next request; False when there is none left."""
        request = next(self.requests, None)
        if request is None:
            self.socket.close()
            return False
        sent = self.socket.send(request)
        assert sent == len(request), "a request is smaller than a socket's buffer"
        return True

    def read(self):
        """Take in what came; False when the connection has done its work."""
        size = self.socket.recv_into(_BUFFER)
        assert size, "the server closed the connection"
        if self.left:
            self.left -= size
        elif not self._begin(bytes(_VIEW[: min(size, 4096)]), size):
            return True
        assert self.left >= 0, "an answer that nobody asked for"
        return self.ask() if not self.left else True

    def _begin(self, data, size):
        self.head += data
        end = self.head.find(b"\r\n\r\n")
        if end < 0:
            return False
        assert self.head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 206")), self.head
        at = self.head.index(b"Content-Length: ") + 16
        length = int(self.head[at : self.head.index(b"\r", at)])
        self.left = length - (size - (end + 4 - (len(self.head) - len(data))))
        self.last = self.head[end + 4 :]
        self.head = b""
        self.answers += 1
        self.body_bytes += length
        return True


def drive(address, streams):
    """Run one connection for each stream of requests; answers the callers and how long they took together, in s."""
    callers = [Caller(address, requests) for requests in streams]
    poll = select.epoll()
    by_descriptor = {caller.socket.fileno(): caller for caller in callers}
    for descriptor in by_descriptor:
        poll.register(descriptor, select.EPOLLIN)
    started = time.perf_counter()
    for descriptor, caller in list(by_descriptor.items()):
        if not caller.ask():
            del by_descriptor[descriptor]
    while by_descriptor:
        asked = time.perf_counter()
        while not (events := poll.poll(0)):
            assert time.perf_counter() - asked < SILENCE_S, (
                f"{len(by_descriptor)} connections without an answer"
            )
        for descriptor, _ in events:
            if not by_descriptor[descriptor].read():
                del by_descriptor[descriptor]
    return callers, time.perf_counter() - started
