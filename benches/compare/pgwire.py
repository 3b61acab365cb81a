"""A client of PostgreSQL in the few messages that a comparison needs: queries in text form, and COPY.

Protocol 3.0, https://www.postgresql.org/docs/current/protocol.html: a message is a type byte, its length with these
four bytes, and its content. Authentication is "trust", over a Unix socket.
"""

import socket
import struct


class PgError(Exception):
    """What the server says of an error."""


class Connection:
    """A session of the database `postgres`."""

    def __init__(self, path: str, user: str = "postgres"):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.buffer = self.socket.makefile("rb", 1 << 16)
        names = b"user\0%s\0database\0postgres\0\0" % user.encode()
        self.socket.sendall(struct.pack("!ii", 8 + len(names), 3 << 16) + names)
        self.finish()

    def close(self) -> None:
        self.socket.close()

    def send(self, type_: bytes, content: bytes) -> None:
        self.socket.sendall(type_ + struct.pack("!i", 4 + len(content)) + content)

    def receive(self) -> tuple[bytes, bytes]:
        head = self.buffer.read(5)
        if len(head) < 5:
            raise PgError("the server has closed the connection")
        return head[:1], self.buffer.read(struct.unpack("!i", head[1:])[0] - 4)

    def finish(self) -> list[tuple]:
        """Reads up to the end of a command. Returns its rows."""
        rows, error = [], None
        while True:
            type_, content = self.receive()
            if type_ == b"D":
                rows.append(row_of(content))
            elif type_ == b"E":
                error = content.replace(b"\0", b" ").decode()
            elif type_ == b"Z":
                if error:
                    raise PgError(error)
                return rows

    def query(self, text: str) -> list[tuple]:
        """The rows of one command; each value a text, or `None`."""
        self.send(b"Q", text.encode() + b"\0")
        return self.finish()

    def copy(self, command: str, rows: bytes) -> None:
        """Sends rows to `COPY … FROM STDIN`. Returns when the transaction is committed."""
        self.send(b"Q", command.encode() + b"\0")
        type_, content = self.receive()
        if type_ != b"G":
            self.finish()
            raise PgError(content.replace(b"\0", b" ").decode())
        self.send(b"d", rows)
        self.send(b"c", b"")
        self.finish()


def row_of(content: bytes) -> tuple:
    """The values of a message DataRow."""
    count, at, values = struct.unpack_from("!h", content)[0], 2, []
    for _ in range(count):
        len_ = struct.unpack_from("!i", content, at)[0]
        at += 4
        values.append(None if len_ < 0 else content[at:at + len_].decode())
        at += max(len_, 0)
    return tuple(values)


def literal(text: str) -> str:
    """A text as a literal of SQL, with standard_conforming_strings."""
    return "'%s'" % text.replace("'", "''")
