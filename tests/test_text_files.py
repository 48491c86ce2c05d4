"""Text files that are whole or not there, and names that are text."""

import json
import os

import pytest

from ace3d_fast.text_files import as_text, write_text


def test_a_file_is_replaced_by_a_whole_one_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "facts.json"
    assert write_text(path, "old") == path

    def fails(*_given, **_named):
        raise OSError("no room")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", fails)
        with pytest.raises(OSError, match="no room"):
            write_text(path, "new")
    assert path.read_text() == "old"
    write_text(path, "ß")
    assert path.read_bytes() == "ß".encode()


def test_odd_bytes_in_json_are_read_back(tmp_path):
    name = os.fsdecode(b"caf\xe9.mp4")
    path = write_text(tmp_path / "facts.json", json.dumps({"path": name}, ensure_ascii=False))
    assert json.loads(path.read_text("utf-8")) == {"path": name}
    assert os.fsencode(json.loads(path.read_text("utf-8"))["path"]) == b"caf\xe9.mp4"


@pytest.mark.parametrize(("raw", "text"), [(b"caf\xe9", r"caf\xe9"), ("café/ü".encode(), "café/ü")])
def test_names_become_text(raw, text):
    assert as_text(os.fsdecode(raw)) == text
