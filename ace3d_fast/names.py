"""What people call the concepts of a run: ``names.json`` in its folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ace3d_fast.errors import InputError, expected
from ace3d_fast.text_files import write_text

FILE = "names.json"
OLD_FILE = "names.old.json"  # names of concepts that a repeated run did not find again
MAX_CHARACTERS = 80


def read_names(folder: Path, run_key: str) -> dict[int, str]:
    """The names in ``folder``, none where the file is missing.

    Parameters
    ----------
    folder : Path
    run_key : str
        Of the run that the names must belong to.

    Raises
    ------
    InputError
        The file cannot be read, is no file of names, or belongs to another run.
    """
    path = folder / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(expected("names", FILE, "readable", f"{path}: {error}")) from error
    try:
        found = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(expected("names", FILE, "of JSON", f"{path}: {error}", _todo(path))) from error
    return check_names(found, run_key, str(path))


def check_names(found: Any, run_key: str, where: str) -> dict[int, str]:
    """Names out of parsed JSON: ``{"run": KEY, "names": {"4": "net"}}``.

    Blanks around a name are dropped, and so are empty names; ``where`` is told in messages.

    Raises
    ------
    InputError
        ``found`` has another form, or another run's key.
    """
    if not isinstance(found, dict) or not isinstance(found.get("names"), dict):
        fact = f"{where}: {type(found).__name__} without names"
        raise InputError(expected("names", FILE, 'like {"run": "...", "names": {"4": "net"}}', fact))
    if found.get("run") != run_key:
        fact = f"those of run {str(found.get('run'))[:20]!r}: {where}"
        raise InputError(expected("names", FILE, f"of run {run_key}", fact, "remove that file"))
    names = {}
    for concept, name in found["names"].items():
        if not (concept.isascii() and concept.isdigit() and len(concept) < 10):
            raise InputError(
                expected("names", "concept", "given by its number", f"{concept[:20]!r} in {where}")
            )
        if not isinstance(name, str) or len(name) > MAX_CHARACTERS:
            fact = f"{type(name).__name__} of {len(str(name))} characters for concept {concept} in {where}"
            raise InputError(expected("names", "name", f"of at most {MAX_CHARACTERS} characters", fact))
        if name.strip():
            names[int(concept)] = " ".join(name.split())
    return names


def write_names(folder: Path, run_key: str, names: Mapping[int, str]) -> Path:
    """Write ``names.json`` into ``folder``; it gets its name when it is whole."""
    value = {"run": run_key, "names": {str(concept): names[concept] for concept in sorted(names)}}
    return write_text(folder / FILE, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def keep_names(old: Path, new: Path, run_key: str) -> None:
    """Take the names in the folder ``old`` over into the run in ``new``, which repeats it.

    Names that do not fit the new run, since its videos or weights were others, become `names.old.json`.
    """
    if (old / OLD_FILE).is_file():
        shutil.copyfile(old / OLD_FILE, new / OLD_FILE)
    if (old / FILE).is_file():
        try:
            read_names(old, run_key)
        except InputError:
            shutil.copyfile(old / FILE, new / OLD_FILE)
        else:
            shutil.copyfile(old / FILE, new / FILE)


def _todo(path: Path) -> str:
    return f"export the names again from the report, or remove {path.name}"
