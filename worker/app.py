"""Celery's side of a worker: its configuration, and what its child starts and stops.

The child is spawned, so that it imports this module anew: nothing of torch is loaded in the parent.
"""

from celery import Celery, signals

from core import logs
from core.broker import celery_options
from core.settings import Settings, read_settings
from worker.parent import keep_a_child


def make_app(settings: Settings) -> Celery:
    """Celery, configured as the doorbell needs it.

    Args:
        settings: of the service; the broker's address is one.
    """
    celery = Celery("heirloom", include=["worker.app", "worker.tasks"], set_as_current=True)
    celery.conf.update(celery_options(settings.broker_address))
    return celery


app = make_app(read_settings())


def keep_our_logs(**_: object) -> None:
    """Celery would put its own format on the root logger."""
    settings = read_settings()
    logs.configure(settings.log_driver, settings.log_level, settings.secrets)


def prepare_parent(sender: object, **_: object) -> None:
    """In the parent, before there is a child."""
    keep_a_child(sender)


def start_child(**_: object) -> None:
    """In the child: its worker begins to claim."""
    keep_our_logs()
    from worker import child  # here: the parent needs no torch

    child.start(read_settings())


def stop_child(**_: object) -> None:
    """In the child, before it ends."""
    from worker import child

    child.stop()


signals.setup_logging.connect(keep_our_logs)
signals.worker_init.connect(prepare_parent)
signals.worker_process_init.connect(start_child)
signals.worker_process_shutdown.connect(stop_child)
