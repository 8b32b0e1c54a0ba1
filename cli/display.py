"""What a person sees of a running sweep: one live display, or plain lines without a terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cli.options import console
from jobs.driver.progress import Progress
from tracking.events import TrialEnded
from tracking.uris import shown


class Display:
    """Watches a sweep; use it as a context manager.

    Args:
        tracking_uri: shown as the place to look.
    """

    def __init__(self, tracking_uri: str) -> None:
        # Ray's output is redirected while a sweep runs, and the display must not follow it.
        self.console = Console(file=sys.__stderr__, quiet=console.quiet)
        self._uri = tracking_uri
        self._live: Live | None = None
        self._progress: Progress | None = None

    def __enter__(self) -> Display:
        if self.console.is_terminal and not self.console.quiet:
            self._live = Live(
                get_renderable=self._render,
                console=self.console,
                refresh_per_second=4,
                redirect_stdout=False,
                redirect_stderr=False,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def update(self, progress: Progress) -> None:
        """Show the present state."""
        self._progress = progress

    def ended(self, progress: Progress, event: TrialEnded) -> None:
        """Say how a trial ended: always without a terminal, otherwise only if it failed."""
        if self._live is None or event.status == "failed":
            self.console.print(trial_line(progress, event), highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """Show a remark."""
        self.console.print(text, highlight=False, soft_wrap=True)

    def _render(self) -> Group:
        progress = self._progress
        if progress is None:
            return Group(Text("Starting ..."))
        ended = progress.held + progress.done + progress.pruned + len(progress.failed)
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            Text(f"sweep {progress.title}", style="bold"),
            ProgressBar(total=max(progress.total, 1), completed=ended, width=40),
            Text(f"{ended}/{progress.total} trials"),
        )
        lines: list[Table | Text] = [bar, Text(_counts(progress)), Text(_pace(progress))]
        if progress.best is not None:
            lines.append(Text(f"best validation {progress.best[0]:.2f} %  {progress.best[1]}"))
        if progress.trouble:
            text = f"MLflow does not answer; results wait in the outbox ({progress.trouble})"
            lines.append(Text(text, style="yellow"))
        lines.append(Text(look(self._uri), style="dim"))
        return Group(*lines)


def trial_line(progress: Progress, event: TrialEnded) -> str:
    """Return the one line about a trial's end."""
    ended = progress.held + progress.done + progress.pruned + len(progress.failed)
    head = f"[{ended}/{progress.total}] {progress.label(event.key)}: {event.status}"
    head = head.replace("[", "\\[", 1)
    metrics = event.metrics
    if event.status == "finished":
        return f"{head}, val {metrics['val/all']:.2f} %, test {metrics['test/all']:.2f} %"
    return f"{head} ({event.reason})"


def look(uri: str) -> str:
    """Return where to see more."""
    if uri == "sqlite:///mlflow.db":
        return "look: mlflow ui"
    place = shown(uri)
    return f"look: mlflow ui --backend-store-uri {place}" if "sqlite" in uri else f"look: {place}"


def duration(seconds: float) -> str:
    """Return a duration as a person would say it: ``42 s``, ``7 min``, ``3 h 20 min``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _counts(progress: Progress) -> str:
    return (
        f"{progress.held} held  {progress.done} done  {len(progress.running)} running "
        f"in {progress.packs} packs  {progress.pruned} pruned  {len(progress.failed)} failed"
    )


def _pace(progress: Progress) -> str:
    elapsed = time.monotonic() - progress.started
    rate = 60 * progress.epochs / elapsed if elapsed > 0 else 0.0
    eta = progress.eta()
    left = "unknown" if eta is None else duration(eta)
    return (
        f"{progress.epochs} epochs  {rate:.1f} epochs/min  {duration(elapsed)} so far  ETA {left}"
    )
