"""Learners and statistics: NumPy matrices in, NumPy matrices out; deterministic from a seed."""
