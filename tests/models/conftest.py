from __future__ import annotations

from pathlib import Path

import pytest
from real_data import find_real_data


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the pretrained network and the real clips."""
    return find_real_data()
