import subprocess
import sys

from core.broker import QUEUE, TASK_NAME, celery_options


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603  # our own code
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_celery_s_parent_knows_the_task_and_loads_no_torch():
    code = (
        "import sys\n"
        "from worker.app import app\n"
        "app.loader.import_default_modules()\n"
        f"assert {TASK_NAME!r} in app.tasks, list(app.tasks)\n"
        f"assert app.conf.task_default_queue == {QUEUE!r}\n"
        "assert app.conf.worker_pool_start_method == 'spawn'\n"
        "assert 'torch' not in sys.modules\n"
    )
    run(code)


def test_a_ring_in_a_process_without_a_worker_does_nothing():
    run("from worker.tasks import doorbell\ndoorbell()\n")


def test_both_ends_read_json_alone_and_keep_no_results():
    options = celery_options("redis://nobody/0")
    assert options["accept_content"] == ["json"]
    assert options["result_backend"] is None
    assert not options["worker_enable_remote_control"]
