"""The doorbell: tells idle workers that there is work. A lost ring costs nothing, they look by themselves too."""

from typing import Protocol


class Doorbell(Protocol):
    """Rung after the transaction that put a job into the queue."""

    def ring(self) -> None:
        """Say that there is work: never blocks, never raises."""
        ...


class SilentDoorbell:
    """Where there is no broker: the workers' own polling finds the job."""

    def ring(self) -> None:
        """See `Doorbell.ring`."""
