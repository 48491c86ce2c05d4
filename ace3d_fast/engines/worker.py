"""A worker process: ``python -m ace3d_fast.engines.worker FILE_DESCRIPTOR``."""

from __future__ import annotations

import sys
from multiprocessing.connection import Connection

from ace3d_fast.engines.processes import work

if __name__ == "__main__":
    work(Connection(int(sys.argv[1])))
