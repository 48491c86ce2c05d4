"""Few rows of many."""

import numpy as np

from ace3d_fast.rows import KnownRows, RowsOf, draw_rows, is_among

NAN = float("nan")


def test_rows_of_a_file_are_read_as_they_are_asked_for(tmp_path):
    np.save(tmp_path / "array.npy", np.arange(20, dtype=np.float32).reshape(10, 2))
    some = RowsOf(np.load(tmp_path / "array.npy", mmap_mode="r"), np.array([1, 4, 9]))
    assert len(some) == 3
    assert some[np.array([2, 0])].tolist() == [[18, 19], [2, 3]]
    assert some[1:5].tolist() == [[8, 9], [18, 19]]


def test_rows_that_are_not_known_are_nan():
    known = KnownRows(np.array([3, 7]), np.array([[1.0], [2.0]], dtype=np.float32))
    np.testing.assert_equal(known[np.array([7, 5, 3, 9])].ravel(), [2, NAN, 1, NAN])
    none = KnownRows(np.array([], dtype=np.int64), np.zeros((0, 1), dtype=np.float32))
    np.testing.assert_equal(none[np.array([0])], [[NAN]])


def test_joined_rows_take_the_later_value():
    first = KnownRows(np.array([3, 7]), np.array([[1.0], [2.0]], dtype=np.float32))
    later = KnownRows(np.array([5, 7]), np.array([[8.0], [9.0]], dtype=np.float32))
    both = first.joined(later)
    assert both.rows.tolist() == [3, 5, 7]
    assert both.values.ravel().tolist() == [1, 8, 9]


def test_names_are_found_among_values():
    values = np.array(["a", "b", "a", "c"], dtype=object)
    assert is_among(values, frozenset(["c", "a", "x"])).tolist() == [True, False, True, True]


def test_few_rows_are_all_taken_and_of_many_different_ones():
    assert draw_rows(4, 4, seed=0).tolist() == [0, 1, 2, 3]
    drawn = draw_rows(1000, 100, seed=0)
    assert len(np.unique(drawn)) == 100
    assert (np.diff(drawn) > 0).all()
    assert drawn.mean() > 400
    assert draw_rows(1000, 100, seed=0).tolist() == drawn.tolist()
