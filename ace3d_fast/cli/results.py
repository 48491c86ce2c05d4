"""The concepts of a run as a table on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ace3d_fast.report.facts import concept_name, headline, rows_of, verdict
from ace3d_fast.report.words import decimal, percent, probability
from ace3d_fast.store import RunFolder

STYLES = {"accepted": "green", "not_significant": "default", "context": "yellow", "rejected": "red"}


def print_results(run: RunFolder, console: Console) -> None:
    """Print the verdict, the concepts, what was skipped, and where the report is."""
    summary, found, ranks = run.summary, verdict(run), headline(run)
    console.print(escape(f"{found.network} {found.concepts}"), soft_wrap=True)
    table = Table(pad_edge=False)
    table.add_column("concept")
    table.add_column("status")
    for name in (ranks.label.lower(), "retention", ranks.test, "CAV accuracy", "videos"):
        table.add_column(name, justify="right")
    table.add_column("why not")
    for row in rows_of(run.concepts):
        table.add_row(
            concept_name(row["concept"]),
            f"[{STYLES[row['status']]}]{row['status'].replace('_', ' ')}[/]",
            ranks.write(row[ranks.score]),
            decimal(row["retention"]),
            probability(row[f"{ranks.test}_value"]),
            percent(row["cav_accuracy"]),
            str(row["num_videos"]),
            escape(str(row["reason"] or "")),
        )
    console.print(table)
    for warning in summary["warnings"]:
        console.print(escape(f"warning: {warning}"), soft_wrap=True)
    for skipped in summary["skipped"]:
        console.print(escape(f"skipped: {skipped['video']}: {skipped['reason']}"), soft_wrap=True)
    console.print(escape(f"report: {run.report_path}"), soft_wrap=True)
