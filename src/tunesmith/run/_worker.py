"""A process that does jobs for the one that has started it: `python -m tunesmith.run._worker`."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from collections.abc import Mapping
from typing import IO, Any

from tunesmith.run._wire import opened, receive, receive_bytes, send

BEGUN, EVENT, RESULT = "begun", "event", "result"


def main() -> None:
    """Take the work, then jobs, until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that started this
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no message
    source = sys.stdin.buffer
    sys.path[:] = receive(source)
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(source, inbox), daemon=True).start()

    def tell(kind: str, facts: Mapping[str, Any]) -> None:
        send(out, (EVENT, (kind, dict(facts))))

    work = opened(inbox.get())
    work.begin()
    while True:
        job = opened(inbox.get())
        send(out, (BEGUN, None))
        send(out, (RESULT, work.do(job, tell)))


def _listen(source: IO[bytes], inbox: queue.SimpleQueue[bytes]) -> None:
    """Pass messages on; where the other side is gone, nobody waits for what is done here."""
    while True:
        try:
            inbox.put(receive_bytes(source))
        except (EOFError, OSError):
            os._exit(0)


if __name__ == "__main__":
    main()
