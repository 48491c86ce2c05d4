"""Two runs side by side: which concepts they share, and what changed."""

from ace3d_fast.run_comparison.compare import RunComparison, compare_runs

__all__ = ["RunComparison", "compare_runs"]
