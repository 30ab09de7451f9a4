"""What the tests of commands share."""

import pytest

from tests import SAMPLES


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("camera-clean", "chelsea-clean"):
        (folder / f"{name}.png").write_bytes((SAMPLES / f"{name}.png").read_bytes())
    return folder
