import numpy as np
import pytest
from skimage.data import astronaut


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """A real face: NASA's portrait of Eileen Collins, public domain, [512, 512, 3]."""
    return np.ascontiguousarray(astronaut())
