import pytest
import torch

from ace3d_fast.errors import Ace3dError
from ace3d_fast.models.batches import Batches


def doubles(room, asked):
    """Doubles items; more than ``room`` of them at once do not fit."""

    def call(batch):
        asked.append(len(batch))
        if len(batch) > room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return [2 * item for item in batch]

    return call


def test_a_batch_that_does_not_fit_is_halved_and_the_work_goes_on():
    asked: list[int] = []
    parts = Batches().run("clips", doubles(3, asked), list(range(10)), 8)
    assert [item for part in parts for item in part] == [2 * i for i in range(10)]
    assert asked == [8, 4, 2, 2, 2, 2, 2]


def test_what_fits_is_remembered_for_its_kind_alone():
    batches, asked = Batches(), []
    batches.run("clips", doubles(2, asked), range(8), 8)
    asked.clear()
    batches.run("clips", doubles(2, asked), range(8), 8)
    assert asked == [2, 2, 2, 2]
    asked.clear()
    batches.run("patches", doubles(8, asked), range(8), 8)
    assert asked == [8]


def test_one_item_that_does_not_fit_ends_in_one_line():
    with pytest.raises(Ace3dError, match="expected memory for one item of the batches of clips, got less"):
        Batches().run("clips", doubles(0, []), range(3), 2)


def test_other_errors_pass():
    def call(_batch):
        raise RuntimeError("cuDNN")

    with pytest.raises(RuntimeError, match="cuDNN"):
        Batches().run("clips", call, range(3), 2)


def test_tensors_are_split_along_their_first_axis():
    parts = Batches().run("clips", lambda batch: batch.sum(), torch.arange(5), 2)
    assert [int(part) for part in parts] == [1, 5, 4]
