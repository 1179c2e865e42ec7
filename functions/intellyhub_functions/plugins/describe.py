"""`python -m intellyhub_functions.plugins.describe FOLDER [--write]`: the manifest of a plugin, from its text."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from intellyhub_engine.errors import InputInvalid
from intellyhub_functions.plugins.manifest import MANIFEST, read_manifest

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Print the manifest, or write it beside the code. 2 where there is none to make."""
    parser = argparse.ArgumentParser(prog="describe", description="Make a plugin's manifest from its code's text.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true", help=f"write {MANIFEST} into the folder")
    given = parser.parse_args(arguments)
    try:
        document = read_manifest(given.folder).document
    except InputInvalid as fault:
        sys.stderr.write(f"{fault}\n")
        return 2
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if given.write and given.folder.is_dir():
        (given.folder / MANIFEST).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
