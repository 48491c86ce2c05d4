"""The concepts of a run as a table on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from ace3d_fast.cli.console import new_table, say
from ace3d_fast.report.facts import concept_name, headline, rows_of, verdict
from ace3d_fast.store import RunFolder
from ace3d_fast.words import decimal, megabytes, percent, probability, seconds

if TYPE_CHECKING:
    from ace3d_fast.estimate import RunEstimate

STYLES = {"accepted": "green", "not_significant": "default", "context": "yellow", "rejected": "red"}


def print_results(run: RunFolder, console: Console) -> None:
    """Print the verdict, the concepts, what was skipped, and where the report is."""
    summary, found, ranks = run.summary, verdict(run), headline(run)
    say(console, f"{found.network} {found.concepts}")
    table = new_table()
    table.add_column("concept")
    table.add_column("status", no_wrap=True)
    for name in (ranks.label.lower(), "retention", ranks.test, "CAV accuracy", "videos"):
        table.add_column(name, justify="right", overflow="fold")
    rows = rows_of(run.concepts)
    for row in rows:
        table.add_row(
            concept_name(row["concept"]),
            f"[{STYLES[row['status']]}]{row['status'].replace('_', ' ')}[/]",
            ranks.write(row[ranks.score]),
            decimal(row["retention"]),
            probability(row[f"{ranks.test}_value"]),
            percent(row["cav_accuracy"]),
            str(row["num_videos"]),
        )
    console.print(table)
    console.print()
    for row in rows:
        if row["reason"]:
            say(console, f"{concept_name(row['concept'])}: {row['reason']}")
    for warning in summary["warnings"]:
        say(console, f"warning: {warning}")
    for skipped in summary["skipped"]:
        say(console, f"skipped: {skipped['video']}: {skipped['reason']}")
    say(console, _cost(run))
    console.print(escape(f"report: {run.report_path}"), soft_wrap=True)


def _cost(run: RunFolder) -> str:
    """Time of the run and of its longest stages, and the size of its folder."""
    stages = sorted(run.timings["stages"].items(), key=lambda item: -item[1])[:3]
    longest = ", ".join(f"{name} {seconds(spent)}" for name, spent in stages)
    size = sum(path.stat().st_size for path in run.path.rglob("*") if path.is_file())
    return f"time: {seconds(run.timings['total_seconds'])} ({longest}); disk: {megabytes(size)}"


def print_estimate(plan: RunEstimate, out: Path, console: Console) -> None:
    """Print what a run would do, and about what it would take."""
    options = plan.options
    console.print(f"[bold]Plan[/] for {escape(str(out))}; nothing is written.", soft_wrap=True)
    table = new_table()
    for name in ("class", "videos", "clips"):
        table.add_column(name, justify="left" if name == "class" else "right")
    labels = sorted(set(plan.videos["label"]), key=lambda label: (label != options.target_class, label))
    for label in labels:
        mine = plan.videos[plan.videos["label"] == label]
        mark = " [dim](explained)[/]" if label == options.target_class else ""
        table.add_row(escape(label) + mark, str(len(mine)), f"{int(mine['num_clips'].sum()):,}")
    console.print(table)
    for name, reason in plan.skipped:
        say(console, f"would be skipped: {name}: {reason}")
    sampling = options.sampling
    clip = f"{sampling.num_frames} frames at {sampling.fps:g} a second, {sampling.crop_px} px"
    say(console, f"network: {options.model} at {options.layer}, {options.device}; clips of {clip}")
    say(console, f"videos: {plan.split}; lowest attainable p {plan.lowest_p:.3g}")
    guess = "" if options.concepts.num_clusters else " (a guess: the run finds the number)"
    size = f"about {plan.num_regions:,} regions, {plan.num_concepts} clusters{guess}"
    say(console, f"{size}, {plan.num_forwards:,} forwards")
    cost = new_table()
    cost.add_column("stage")
    cost.add_column("about", justify="right")
    for name, spent in plan.seconds.items():
        cost.add_row(name, seconds(spent))
    cost.add_section()
    cost.add_row("time", seconds(plan.total_seconds), style="bold")
    cost.add_row("memory", megabytes(plan.memory_bytes), style="bold")
    cost.add_row("disk", megabytes(plan.disk_bytes), style="bold")
    console.print(cost)
    say(console, "Time within a factor of 3, disk of 1.5: one clip of this input was timed on this machine.")
