"""A worker process: ``python -m ace3d_fast.engines.worker FILE_DESCRIPTOR``."""

from __future__ import annotations

import signal
import sys
from multiprocessing.connection import Connection

from ace3d_fast.engines.processes import work

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the run too, which ends its workers
    work(Connection(int(sys.argv[1])))
