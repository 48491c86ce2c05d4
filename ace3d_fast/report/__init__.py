"""The records of a run as one self-contained HTML page."""

from ace3d_fast.report.page import write_report

__all__ = ["write_report"]
