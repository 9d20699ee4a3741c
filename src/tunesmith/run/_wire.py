"""Messages between this process and those that it has started: a length, then that many bytes.

They carry Python's own objects, between processes of one program on one machine and through pipes
that nobody else holds an end of; nothing of the kind is ever written to a file.
"""

from __future__ import annotations

import pickle
import struct
from typing import IO, Any

LENGTH = struct.Struct("!Q")


def send(pipe: IO[bytes], message: Any) -> None:
    content = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.write(LENGTH.pack(len(content)) + content)
    pipe.flush()


def receive(pipe: IO[bytes]) -> Any:
    """The next message.

    Raises:
        EOFError: The other side is gone.
    """
    return opened(receive_bytes(pipe))


def receive_bytes(pipe: IO[bytes]) -> bytes:
    """The next message as it came."""
    (length,) = LENGTH.unpack(_exactly(pipe, LENGTH.size))
    return _exactly(pipe, length)


def opened(content: bytes) -> Any:
    return pickle.loads(content)  # noqa: S301 - of our own process, through a pipe


def _exactly(pipe: IO[bytes], count: int) -> bytes:
    content = pipe.read(count)
    if len(content) < count:
        raise EOFError
    return content
