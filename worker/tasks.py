"""The doorbell's task: it does nothing but wake the claim loop of the process it is delivered to."""

from celery import shared_task

from core.broker import TASK_NAME


@shared_task(name=TASK_NAME, ignore_result=True)  # type: ignore[untyped-decorator]  # Celery has no types
def doorbell() -> None:
    """There may be work."""
    from worker import child  # here: the parent knows this task too, and needs no torch

    child.ring()
