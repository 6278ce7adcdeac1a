"""What the pipeline is asked is what the job and the operator say."""

from pathlib import Path

import pytest

from core.imaging.faces.open import FinderChoice
from tests.benches import portraits
from worker.held import HeldJob
from worker.inputs import Inputs
from worker.patience import Patience

YUNET = FinderChoice("yunet", Path("yunet.onnx"))


@pytest.fixture
def inputs(bench, worker):
    patience = Patience(bench.database, 60.0, worker.drain, worker.watchdog)
    return Inputs(bench.store, patience, YUNET)


def test_an_album_s_faces_and_a_photo_s_are_found_by_the_operator_s_finder(bench, inputs):
    subject = bench.add_subject()
    album = HeldJob(bench.add_tuning(subject, bench.add_album(subject, portraits(1))))
    photo = HeldJob(bench.add_restoration(portraits(1)[0]))
    assert inputs.album(album).finder == YUNET
    assert inputs.restoration([photo], [inputs.photo(photo)]).finder == YUNET
