"""What the tools that write pages of docs/ share: the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path


def write_page(page: Path, generated: Callable[[], str], write: str, about: str | None) -> int:
    """Write a page, or with --check only say on stderr whether it is what `generated` gives: 0 where it is, else 1.

    write: the command that writes it. about: what --help says.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say whether the page is as it should be")
    options = parser.parse_args()
    text = generated()
    if options.check:
        if text == page.read_text(encoding="utf-8"):
            return 0
        print(f"docs/{page.name} is out of date; write it by: {write}", file=sys.stderr)
        return 1
    page.write_text(text, encoding="utf-8")
    return 0
