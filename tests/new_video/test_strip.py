"""Timelines of bounded size, and tables that are written in pieces."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from ace3d_fast.new_video import files
from ace3d_fast.new_video.files import TableWriter
from ace3d_fast.new_video.strip import Strip

NAN = float("nan")


def strip_of(values, max_columns=4):
    strip = Strip(1, max_columns)
    for second, value in enumerate(values, 1):
        strip.add(np.array([value], np.float32), float(second))
    return strip


def test_a_short_timeline_keeps_each_clip():
    strip = strip_of([1, 2, NAN])
    assert strip.clips_per_column == 1
    np.testing.assert_equal(strip.means, [[1, 2, NAN]])
    assert strip.ends_seconds.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("number", "clips_per_column", "means", "ends"),
    [
        (4, 1, [1, 2, 3, 4], [1, 2, 3, 4]),
        (5, 2, [1.5, 3.5, 5], [2, 4, 5]),
        (8, 2, [1.5, 3.5, 5.5, 7.5], [2, 4, 6, 8]),
        (9, 4, [2.5, 6.5, 9], [4, 8, 9]),
    ],
)
def test_where_it_is_full_columns_become_one(number, clips_per_column, means, ends):
    strip = strip_of(range(1, number + 1))
    assert strip.clips_per_column == clips_per_column
    np.testing.assert_allclose(strip.means[0], means)
    assert strip.ends_seconds.tolist() == ends


def test_what_is_unknown_is_left_out_of_means():
    np.testing.assert_equal(strip_of([1, NAN, NAN, NAN, 5]).means, [[1, NAN, 5]])


@pytest.mark.parametrize(("group_rows", "num_groups"), [(1, 2), (3, 1), (100, 1)])
def test_a_table_in_pieces_is_the_table(tmp_path, monkeypatch, group_rows, num_groups):
    monkeypatch.setattr(files, "GROUP_ROWS", group_rows)
    rows = pd.DataFrame({"a": np.arange(4, dtype=np.int32), "b": ["x", "y,", "z", ""], "c": [0.5, NAN, 1, 2]})
    with TableWriter(tmp_path, "table", csv=True) as writer:
        writer.write(rows[:1])
        writer.write(rows[1:])
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "table.parquet"), rows)
    assert pq.ParquetFile(tmp_path / "table.parquet").num_row_groups == num_groups
    again = pd.read_csv(tmp_path / "table.csv", keep_default_na=False, na_values={"c": [""]})
    pd.testing.assert_frame_equal(again, rows, check_dtype=False)
