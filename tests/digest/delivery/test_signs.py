"""What the machine says of itself."""

import shutil
from pathlib import Path

import pytest

from digest.delivery.watching import signs

MEMORY = Path("/dev/shm")


@pytest.mark.skipif(not MEMORY.exists(), reason="no disk of memory")
def test_disk_of_the_code_counts_where_var_dir_is_memory(settings):
    settings.VAR_DIR = MEMORY
    free, place = signs.fullest_disk()
    assert place == settings.BASE_DIR
    usage = shutil.disk_usage(settings.BASE_DIR)
    assert free == pytest.approx(usage.free / usage.total, abs=0.01)
