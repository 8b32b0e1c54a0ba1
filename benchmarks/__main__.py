"""Run the benchmarks and put what they print into benchmarks/README.md.

Run ``python -m benchmarks`` for all of them on a quiet machine, or ``python -m benchmarks
fused memory`` for some. What a benchmark prints replaces what stands between its two marks.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent / "README.md"
MARKDOWN = (
    *("public_recipe", "fused", "memory", "step_profile", "video_batches", "precision"),
    *("compiling", "recipe", "overhead", "bookkeeping", "tracking"),
    *("search_verdict", "warm_start", "acceptance", "decision"),
)
"""Those that print Markdown; what the others print is shown as it is."""


def marks(text: str) -> list[str]:
    """Return the names of the marked places, in order."""
    return re.findall(r"<!-- begin: (\w+) -->", text)


def commit() -> str:
    """Return the commit that is measured with its date, and a ``+`` where files differ from it."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(README.parent), *words]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    found, day = git("log", "-1", "--format=%h %cs").split()
    return f"{found}{'+' if git('status', '--porcelain') else ''} ({day})"


def filled(text: str, name: str, printed: str, at: str) -> str:
    """Return the text with what a benchmark printed at a commit between its marks."""
    machine, _, figures = printed.strip().partition("\n\n")
    if name not in MARKDOWN:
        figures = f"```text\n{figures}\n```"
    begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    said = f"`python -m benchmarks.{name}` at {at} on {machine}\n\n{figures}"
    return f"{before}{begin}\n{said}\n{end}{after}"


def main() -> None:
    """Run what is asked for and replace its part of the README at once."""
    known, at = marks(README.read_text()), commit()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*known, []], metavar="NAME")
    for name in parser.parse_args().names or known:
        print(f"{name} ...", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}"]
        printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        README.write_text(filled(README.read_text(), name, printed, at))


if __name__ == "__main__":
    main()
