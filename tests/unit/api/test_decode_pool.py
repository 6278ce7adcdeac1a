"""The service's decode pool: one for all requests, within the operator's limits, gone with the application."""

import os
import time

import pytest

from core.domain.errors import ImageTooLargeError
from tests.served import served


def take_memory(size):
    return len(bytearray(size))


@pytest.fixture
def service(sqlite_database, tmp_path):
    with served(sqlite_database, tmp_path / "home", decode_processes=1, decode_memory_mib=256) as api:
        yield api.client.app.state.service


def test_all_requests_share_one_pool_and_its_process(service):
    assert service.decode_pool is service.decode_pool
    assert service.decode_pool.run(os.getpid) == service.decode_pool.run(os.getpid) != os.getpid()


def test_a_photo_s_memory_is_limited_by_the_setting(service):
    assert service.decode_pool.run(take_memory, 2**20) == 2**20
    with pytest.raises(ImageTooLargeError):
        service.decode_pool.run(take_memory, 300 * 2**20)


def test_the_pool_ends_with_the_application(sqlite_database, tmp_path):
    with served(sqlite_database, tmp_path / "home") as api:
        process = api.client.app.state.service.decode_pool.run(os.getpid)
        assert api.client.app.state.service.decode_pool.run(time.monotonic) > 0
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
