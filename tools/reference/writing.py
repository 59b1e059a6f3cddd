"""Writes references beside the models of models/: the entries of one peer, among those of others.

What is counted as before stays as it stands, so that another version of a peer that counts the same changes nothing.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Entry = dict[str, Any]
Entries = Mapping[str, Mapping[str, Entry]]  # a file's name without its ending -> model -> what is known of it

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"
VERSION = re.compile(r"\d+\.\d+\.\d+\S*")


def path_of(stem: str) -> Path:
    return MODELS / f"{stem}.reference.json"


def main(entries: Callable[[], Entries], about: str | None) -> int:
    """The command line of a script of references."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; say which files are out of date")
    options = parser.parse_args()
    return run(entries(), check=options.check)


def run(entries: Entries, check: bool) -> int:
    """Write what changed, or only say it: 1 where `check` finds something to be written."""
    changed = {stem: text for stem, of in entries.items() if (text := joined(stem, of)) != _written(stem)}
    for stem, text in changed.items():
        print(f"{'out of date' if check else 'written'}: models/{path_of(stem).name}", file=sys.stderr)
        if not check:
            path_of(stem).write_text(text, encoding="utf-8")
    return 1 if check and changed else 0


def joined(stem: str, entries: Mapping[str, Entry]) -> str:
    """The text of a file with these entries in it, its models in the order of the architecture file."""
    from archonnx.compiler.artifact import models_of

    before: dict[str, Entry] = json.loads(_written(stem) or "{}")
    kept = {model: before[model] if same(before.get(model), entry) else entry for model, entry in entries.items()}
    found = {**before, **kept}
    order = [name for name, _ in models_of(MODELS / f"{stem}.arch")]
    missing = [name for name in entries if name not in order]
    if missing:
        raise SystemExit(f"models/{stem}.arch has no model {', '.join(missing)}")
    return text_of({name: found[name] for name in order if name in found})


def same(before: Entry | None, after: Entry) -> bool:
    """Whether two entries say the same but for versions in what is counted."""
    if before is None or {**before, "source": ""} != {**after, "source": ""}:
        return False
    return [VERSION.sub("", one.get("source", "")) for one in (before, after)].count(
        VERSION.sub("", after.get("source", ""))
    ) == 2


def text_of(entries: Mapping[str, Entry]) -> str:
    """JSON for people: a line a key, a line a row of layers, a line in all for a model that is the same as another."""
    models = []
    for model, entry in entries.items():
        if "same_as" in entry:
            models.append(f" {json.dumps(model)}: {json.dumps(entry)}")
            continue
        lines = [f"  {json.dumps(key)}: {_value(key, value)}" for key, value in entry.items()]
        models.append(f" {json.dumps(model)}: {{\n" + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(models) + "\n}\n"


def _value(key: str, value: Any) -> str:
    if key == "layers":
        return "[\n" + ",\n".join(f"   {json.dumps(row)}" for row in value) + "\n  ]"
    return json.dumps(value, ensure_ascii=False)


def _written(stem: str) -> str | None:
    path = path_of(stem)
    return path.read_text(encoding="utf-8") if path.is_file() else None
