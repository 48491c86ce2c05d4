"""Runs in a browser, from a server on this machine."""

from ace3d_fast.serve.server import serve_runs

__all__ = ["serve_runs"]
