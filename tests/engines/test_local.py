import threading
import time

import pytest

from ace3d_fast.engines.local import prefetch


def test_order_is_kept():
    assert list(prefetch(iter(range(50)), depth=3)) == list(range(50))


def test_the_next_item_is_made_while_this_one_is_used():
    made = []

    def items():
        for i in range(3):
            made.append(i)
            yield i

    stream = prefetch(items(), depth=1)
    assert next(stream) == 0
    deadline = time.monotonic() + 5
    while len(made) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(made) >= 2
    stream.close()


def test_an_error_comes_after_the_items_before_it():
    def items():
        yield 1
        raise ValueError("broken")

    stream = prefetch(items())
    assert next(stream) == 1
    with pytest.raises(ValueError, match="broken"):
        next(stream)


def test_leaving_early_ends_the_thread():
    for _ in prefetch(iter(range(1000))):
        break
    assert not [thread for thread in threading.enumerate() if thread.name == "prefetch"]
