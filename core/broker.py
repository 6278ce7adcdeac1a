"""What the two ends of the doorbell agree on: names and options, plain values: no Celery is needed to read them.

The database is the queue; all that a message says is "look there". What Celery loses by itself, and why these options:
docs/decisions/0014.
"""

from typing import Any

TASK_NAME = "heirloom.doorbell"
QUEUE = "heirloom"
RING_EXPIRES_SECONDS = 60.0
"""A ring that nobody heard in time is not needed: the workers have polled since."""

_TRANSPORT_OPTIONS: dict[str, Any] = {
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 10,
}


def celery_options(broker_url: str) -> dict[str, Any]:
    """The configuration of both ends.

    Args:
        broker_url: `redis://…`; never shown.
    """
    return {
        "broker_url": broker_url,
        "broker_transport_options": _TRANSPORT_OPTIONS,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "result_backend": None,
        "task_default_queue": QUEUE,
        "task_ignore_result": True,
        "task_acks_late": False,  # a lost ring costs one poll; a ring that comes twice costs one look
        "task_serializer": "json",
        "accept_content": ["json"],
        "enable_utc": True,
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
        "worker_prefetch_multiplier": 1,
        "worker_concurrency": 1,
        "worker_pool": "prefork",
        "worker_pool_start_method": "spawn",  # after a fork torch hangs, and CUDA forbids it
        "worker_proc_alive_timeout": 60,  # importing torch takes longer than the default four seconds
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
    }
