"""``names.json``: what people call concepts."""

import json

import pytest
from sample_run import make_run

from ace3d_fast.errors import InputError
from ace3d_fast.names import MAX_CHARACTERS, check_names, keep_names, read_names, write_names


def test_what_is_written_is_read(tmp_path):
    assert read_names(tmp_path, "key") == {}
    write_names(tmp_path, "key", {12: "the net", 4: "Überkopf <b>"})
    assert read_names(tmp_path, "key") == {4: "Überkopf <b>", 12: "the net"}
    assert [path.name for path in tmp_path.iterdir()] == ["names.json"]


def test_names_that_fit_a_repeated_run_no_more_are_put_aside(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir(), new.mkdir()
    keep_names(old, new, "key")
    assert list(new.iterdir()) == []
    write_names(old, "other", {4: "net"})
    keep_names(old, new, "key")
    assert read_names(new, "key") == {}
    assert (new / "names.old.json").read_bytes() == (old / "names.json").read_bytes()


def test_blanks_are_dropped_and_so_are_empty_names():
    assert check_names({"run": "k", "names": {"1": "  a  b ", "2": "  "}}, "k", "here") == {1: "a b"}


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ([], "list without names"),
        ({"run": "k", "names": ["a"]}, "dict without names"),
        ({"run": "other", "names": {}}, "of run k, got those of run 'other'"),
        ({"run": "k", "names": {"-1": "a"}}, "given by its number, got '-1'"),
        ({"run": "k", "names": {"1": 2}}, "got int"),
        ({"run": "k", "names": {"1": "a" * (MAX_CHARACTERS + 1)}}, "of at most 80 characters"),
    ],
)
def test_other_files_are_refused(found, told):
    with pytest.raises(InputError, match="names: expected") as error:
        check_names(found, "k", "here")
    assert told in str(error.value)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "\0"])
def test_what_is_no_json_is_refused(tmp_path, text):
    (tmp_path / "names.json").write_text(text)
    with pytest.raises(InputError, match=r"expected names\.json of JSON"):
        read_names(tmp_path, "key")


def test_a_run_that_is_repeated_keeps_its_key_and_another_has_its_own(tmp_path):
    first, again = make_run(tmp_path / "a"), make_run(tmp_path / "b")
    assert first.key == again.key
    assert make_run(tmp_path / "c", target_class="clapping").key != first.key
    (first.path / "names.json").write_text(json.dumps({"run": again.key, "names": {"4": "disc"}}))
    assert first.names == {4: "disc"}
