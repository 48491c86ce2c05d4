import torch
from beside import emulated, native


def test_sums_are_those_of_the_cpu():
    features = torch.randn(2, 3, 2, 3, 5)
    labels = torch.randint(-1, 5, (2, 1, 4, 6, 5), dtype=torch.int32)
    for mean in (False, True):
        pooled, counts = emulated.region_pool(features, labels, [4], mean)
        expected, expected_counts = native.region_pool(features, labels, [4], mean)
        torch.testing.assert_close(pooled, expected)
        assert torch.equal(counts, expected_counts)
