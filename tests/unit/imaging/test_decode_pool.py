import ctypes
import io
import os
import pickle
import subprocess
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.domain.errors import (
    BlobMissingError,
    ImageTooLargeError,
    ImageUnreadableError,
    OverloadedError,
    UnsupportedFormatError,
)
from core.imaging.decode_messages import Answer, load_answer
from core.imaging.decode_pool import DecodePool, Late, ProcessLimits
from core.imaging.intake import Limits, decode_photo, encode
from core.imaging.original.saving import SavedPhoto, save
from core.imaging.signature import kinds
from tests.photo_files import deep_file, noise, saved

PICTURE = noise(3, np.uint8)


# What the pool is asked to do here; its processes import this very module.


def take_memory(size):
    return len(bytearray(size))


def take_time():
    while True:
        zlib.crc32(b"x" * 1_000_000)


def sleep_long():
    time.sleep(600)


def wait_for_file(path):
    while not Path(path).exists():
        time.sleep(0.01)


def crash():
    ctypes.string_at(0)


def exit_quietly():
    os._exit(0)


def write_a_file(path):
    Path(path).write_bytes(b"x")


def fail_oddly():
    raise ZeroDivisionError("the photo's secret")


def print_rubbish():
    print("rubbish", flush=True)  # noqa: T201  # what a library would do
    os.write(1, b"more rubbish")
    return os.getpid()


def environment():
    return dict(os.environ)


def resave(data, asked):
    from core.imaging.original.reading import read_original

    return save(read_original(data), asked)


class Rogue:
    def __reduce__(self):
        return os.system, ("echo taken over",)


def rogue():
    return Rogue()


@pytest.fixture(scope="module")
def pool():
    with DecodePool(limits=ProcessLimits(memory_bytes=200 * 2**20, cpu_seconds=5, wall_seconds=30)) as pool:
        yield pool


def test_a_photo_is_decoded_as_it_would_be_here(pool):
    data = encode(PICTURE)
    assert np.array_equal(pool.decode(data), decode_photo(data))


def test_an_original_comes_with_its_working_copy(pool):
    pixels = noise(4, np.uint16)
    original = pool.read(deep_file(pixels, ".png"))
    assert np.array_equal(original.pixels, pixels)
    assert "working" in vars(original)
    assert original.working.shape == (41, 53, 3)


def test_other_work_is_done_there_too(pool):
    photo = pool.run(resave, encode(PICTURE), "tiff")
    assert isinstance(photo, SavedPhoto)
    assert photo.media_type == "image/tiff"


def test_errors_and_their_advice_come_through(pool):
    with pytest.raises(UnsupportedFormatError) as caught:
        pool.decode(b"not a picture at all")
    assert caught.value.advice == f"Send a {kinds()} photo."
    with pytest.raises(ImageTooLargeError, match="41"):
        pool.decode(encode(PICTURE), Limits(max_pixels=100))


def test_a_bomb_is_an_image_that_is_too_large_and_the_pool_lives_on(pool):
    before = pool.run(os.getpid)
    with pytest.raises(ImageTooLargeError, match="more memory"):
        pool.run(take_memory, 2**30)
    large = saved(Image.new("L", (8_000, 8_000)), "PNG")  # 64 MB of grey, 256 as Pillow's RGB
    with pytest.raises(ImageTooLargeError, match="more memory"):
        pool.decode(large, Limits(max_pixels=200_000_000))
    assert pool.decode(encode(PICTURE)).shape == PICTURE.shape
    assert pool.run(take_memory, 2**20) == 2**20
    assert before != 0


def test_work_without_end_is_ended_by_processor_time():
    with DecodePool(limits=ProcessLimits(cpu_seconds=1)) as pool:
        with pytest.raises(ImageTooLargeError, match="takes longer"):
            pool.run(take_time)
        assert pool.decode(encode(PICTURE)).shape == PICTURE.shape


def test_a_process_that_hangs_is_ended_by_the_clock():
    with DecodePool(limits=ProcessLimits(wall_seconds=0.5)) as pool:
        with pytest.raises(ImageTooLargeError, match="takes longer"):
            pool.run(sleep_long)
        pool._limits = ProcessLimits()  # a busy machine may need longer to start the next one
        assert pool.decode(encode(PICTURE)).shape == PICTURE.shape


@pytest.mark.parametrize("end", [crash, exit_quietly])
def test_a_decoder_that_dies_is_one_photo_s_fault(pool, end):
    with pytest.raises(ImageUnreadableError, match="no decoder survives"):
        pool.run(end)
    assert pool.decode(encode(PICTURE)).shape == PICTURE.shape


def test_no_file_can_be_written(pool, tmp_path):
    with pytest.raises(RuntimeError, match="write_a_file raised OSError"):
        pool.run(write_a_file, str(tmp_path / "file"))


def test_a_fault_of_ours_is_no_person_s_and_does_not_quote_the_photo(pool):
    with pytest.raises(RuntimeError, match="fail_oddly raised ZeroDivisionError") as caught:
        pool.run(fail_oddly)
    assert "secret" not in str(caught.value)


def test_what_libraries_print_is_no_answer(pool):
    assert pool.run(print_rubbish) == pool.run(os.getpid)


def test_the_parent_s_secrets_stay_with_it(monkeypatch):
    monkeypatch.setenv("HEIRLOOM_DATABASE_URL", "secret")
    with DecodePool() as pool:
        assert "HEIRLOOM_DATABASE_URL" not in pool.run(environment)


def test_an_answer_cannot_have_anything_done(pool):
    with pytest.raises(ImageUnreadableError, match="confuses its decoder"):
        pool.run(rogue)
    for harmful in (os.system, subprocess.Popen, decode_photo, Image.open, DecodePool):
        with pytest.raises(pickle.UnpicklingError, match="does not belong"):
            load_answer(io.BytesIO(pickle.dumps(Answer(value=harmful))))
    with pytest.raises(pickle.UnpicklingError, match="not an answer"):
        load_answer(io.BytesIO(pickle.dumps(5)))


def test_a_process_serves_many_photos_and_is_replaced_in_time():
    with DecodePool(limits=ProcessLimits(max_calls=2)) as pool:
        first, second, third = (pool.run(os.getpid) for _ in range(3))
    assert first == second != third


def test_several_threads_share_a_pool():
    pictures = [noise(3, np.uint8, seed=seed) for seed in range(12)]
    with DecodePool(processes=2) as pool, ThreadPoolExecutor(4) as threads:
        decoded = list(threads.map(pool.decode, map(encode, pictures)))
        processes = set(threads.map(lambda _: pool.run(os.getpid), range(20)))
    assert all(np.array_equal(*pair) for pair in zip(pictures, decoded, strict=True))
    assert 1 <= len(processes) <= 2


def test_one_photo_s_crash_does_not_touch_its_neighbour():
    with DecodePool(processes=2) as pool, ThreadPoolExecutor(2) as threads:
        bad = threads.submit(pool.run, crash)
        good = threads.submit(pool.decode, encode(PICTURE))
        assert np.array_equal(good.result(), PICTURE)
        with pytest.raises(ImageUnreadableError):
            bad.result()


def test_a_closed_pool_leaves_no_process_and_takes_no_call():
    pool = DecodePool()
    process = pool.run(os.getpid)
    pool.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    with pytest.raises(RuntimeError, match="closed"):
        pool.decode(encode(PICTURE))


@contextmanager
def kept_busy(pool, threads, end):
    """A pool whose one process is at a call until a file is there, or the block ends; gives that call."""
    at_it = threading.Event()
    call = threads.submit(pool.run, wait_for_file, Late(lambda: (at_it.set(), str(end))[1]))
    try:
        assert at_it.wait(60)
        yield call
    finally:
        end.touch()


def test_who_waits_for_a_closed_pool_is_told(tmp_path):
    pool = DecodePool()
    with ThreadPoolExecutor(2) as threads, kept_busy(pool, threads, tmp_path / "end") as first:
        second = threads.submit(pool.decode, encode(PICTURE))
        while not second.running():
            time.sleep(0.01)
        pool.close()
        (tmp_path / "end").touch()
        with pytest.raises(RuntimeError, match="closed"):
            second.result(timeout=30)
        first.result(timeout=30)


def test_a_late_argument_is_made_when_the_call_s_turn_has_come_and_its_error_costs_no_process(pool):
    made = []

    def data():
        made.append(1)
        return encode(PICTURE)

    def gone():
        raise BlobMissingError("It is not there.", "Send it again.")

    assert made == []
    assert np.array_equal(pool.run(decode_photo, Late(data), None), PICTURE)
    before = pool.run(os.getpid)
    with pytest.raises(BlobMissingError):
        pool.run(decode_photo, Late(gone), None)
    assert pool.run(os.getpid) == before
    assert made == [1]


def test_a_call_that_finds_no_free_process_in_time_is_told_to_come_back(tmp_path):
    with DecodePool(wait_seconds=0.05) as pool, ThreadPoolExecutor(1) as threads:
        with kept_busy(pool, threads, tmp_path / "end") as busy, pytest.raises(OverloadedError, match="can be at once"):
            pool.decode(encode(PICTURE))
        busy.result(timeout=30)
        assert pool.decode(encode(PICTURE)).shape == PICTURE.shape


def test_processes_end_with_their_parent():
    script = (
        "import os; from core.imaging.decode_pool import DecodePool; print(DecodePool().run(os.getpid)); os._exit(1)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)  # noqa: S603  # our own
    child = int(run.stdout)
    for _ in range(200):
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the process outlived its parent")


def test_the_pool_loads_no_torch():
    code = "import sys, core.imaging.decode_child, core.imaging.decode_pool; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603  # our own code
