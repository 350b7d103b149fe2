"""What the tests share: where the real conversion histories lie."""

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real conversion histories, which are not part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real conversion histories (../shared/data) are not on this machine")
    return SHARED_DATA
