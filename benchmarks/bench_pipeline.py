"""The whole job with both backends: `ace3d-fast bench`, whose arguments it takes.

That both give one answer is checked before anything is timed. Without arguments generated videos are timed.

Example: python benchmarks/bench_pipeline.py --json bench.json
"""

import sys

from ace3d_fast.cli.app import app

if __name__ == "__main__":
    app(["bench", *sys.argv[1:]])
