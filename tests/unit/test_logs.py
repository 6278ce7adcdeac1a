import importlib
import json
import logging
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest

from core import logs
from core.domain.errors import ImageUnreadableError

ROOT = Path(__file__).resolve().parents[2]
WITHHELD = "correct-horse"


@pytest.fixture
def lines(capsys):
    """The lines written since: one dictionary each."""
    before = logging.getLogger().handlers[:], logging.getLogger().level
    logs.configure("json", "DEBUG", secrets=(WITHHELD, ""))

    def read():
        return [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    yield read
    logging.captureWarnings(capture=False)
    logging.getLogger().handlers[:], level = before
    logging.getLogger().setLevel(level)
    importlib.reload(logs)  # as it is in a process that configures nothing


def test_a_line_says_when_who_how_bad_and_what(lines):
    logs.get_logger("worker.loop").info("stage_done", stage="restore", seconds=1.5)
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "stage_done",
        "level": "info",
        "logger": "worker.loop",
        "stage": "restore",
        "seconds": 1.5,
    }


def test_ids_that_were_bound_are_on_every_line_of_the_block_those_of_libraries_too(lines):
    with logs.bound(request_id="req_1", job_id="job_1"):
        logs.get_logger("api").info("inside")
        logging.getLogger("uvicorn.error").info("also inside")
    logs.get_logger("api").info("outside")
    inside, also, outside = lines()
    assert (inside["request_id"], inside["job_id"]) == (also["request_id"], also["job_id"]) == ("req_1", "job_1")
    assert "request_id" not in outside


def test_several_ids_are_a_list(lines):
    with logs.bound(job_ids=["job_1", f"job_2 {WITHHELD}"]):
        logs.get_logger("worker").info("inside")
    assert [line["job_ids"] for line in lines()] == [["job_1", "job_2 ***"]]


def test_another_thread_has_ids_of_its_own(lines):
    def other():
        with logs.bound(job_id="job_2"):
            logs.get_logger("worker").info("other")

    with logs.bound(job_id="job_1"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        logs.get_logger("worker").info("this")
    assert [line["job_id"] for line in lines()] == ["job_2", "job_1"]


@pytest.mark.parametrize("name", ["uvicorn.error", "celery.worker", "alembic.runtime.migration", "anything.else"])
def test_lines_of_libraries_have_the_same_form(lines, name):
    logging.getLogger(name).warning("%d things", 3)
    (line,) = lines()
    assert (line["event"], line["logger"], line["level"]) == ("3 things", name, "warning")


def test_libraries_that_quote_what_they_are_given_stay_silent_below_warnings(lines):
    for name in logs.NOISY + logs.TALKATIVE:
        logging.getLogger(f"{name}.part").debug("a value")
        logging.getLogger(name).info("a value")
    assert lines() == []


def test_warnings_of_python_are_lines_too(lines):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("careful", UserWarning, stacklevel=1)
    (line,) = lines()
    assert line["logger"] == "py.warnings"
    assert "careful" in line["event"]


def test_below_the_level_nothing_is_written(lines, capsys):
    logs.configure("json", "WARNING")
    logs.get_logger("api").info("quiet")
    logging.getLogger("uvicorn.error").info("quiet")
    assert lines() == []


def test_the_console_form_is_one_line_with_its_fields(lines, capsys):
    logs.configure("console")
    logs.get_logger("api").info("listening", port=8000)
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert "listening" in text
    assert "port=8000" in text


@pytest.mark.parametrize("style", ["json", "console"])
def test_nothing_that_somebody_sent_gets_into_the_log(lines, capsys, style):
    """The canary: a name, a secret, a key and a value, by every way a line can be written."""
    logs.configure(style, "DEBUG", secrets=(WITHHELD,))
    log, library = logs.get_logger("api"), logging.getLogger("uvicorn.error")
    canaries = ("Tante Erna", "canary", WITHHELD, "s3cr3t")
    name, key = "/home/x/Tante Erna canary.jpg", "hl_key1_canary"
    try:
        try:
            raise KeyError(name)
        except KeyError as error:
            raise ImageUnreadableError(f"{name} cannot be read, {WITHHELD}, Tante Erna.") from error
    except ImageUnreadableError as error:
        log.exception("failed", error=error, file=f"'{name}'", data=b"canary")
        log.info("failed", exc_info=error, names=[f"'{name}'"], inner={"key": key})
        library.exception("Exception in ASGI application")
        library.error("it broke: %s", f"'{name}'", exc_info=True, stack_info=True)
    library.info("connected to postgresql://erna:s3cr3t@db/heirloom, %s", WITHHELD)
    library.info("Authorization: Bearer s3cr3t; key %s; password=s3cr3t", key)
    text = capsys.readouterr().err
    assert text.count("image_unreadable") >= 4
    assert "KeyError" in text
    assert "test_logs.py" in text
    assert "db/heirloom" in text
    assert [word for word in canaries if word in text] == []


def test_an_error_within_itself_is_told_once(lines):
    first, second = ValueError("x"), TypeError("y")
    first.__cause__, second.__cause__ = second, first
    logs.get_logger("api").error("odd", exc_info=first)
    (line,) = lines()
    assert line["exception"] == "ValueError\nwhich came after:\nTypeError"


def test_a_very_long_text_is_cut(lines):
    logs.get_logger("api").info("long", text="x" * 10_000)
    assert len(lines()[0]["text"]) < 600


def test_a_logger_made_before_the_configuration_follows_it(tmp_path):
    code = (
        "from core import logs\nlog = logs.get_logger('early')\n"
        "logs.configure('json')\nlog.info('late', job_id='job_1')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603  # our own
    assert json.loads(done.stderr)["event"] == "late"
    assert done.stdout == ""


def test_without_a_configuration_standard_output_stays_clean_and_warnings_are_heard():
    code = (
        "from core import logs\nlog = logs.get_logger('early')\n"
        "log.info('quiet')\nlog.warning('loud', file='Tante Erna.jpg', job_id='job_1')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603  # our own
    assert done.stdout == ""
    assert "event='loud'" in done.stderr
    assert "job_1" in done.stderr
    assert "quiet" not in done.stderr
    assert "Erna.jpg" not in done.stderr
