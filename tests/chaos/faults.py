"""How each kind of fault is done."""

import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.chaos.fleet import Fleet
from tests.chaos.journal import Journal
from tests.chaos.orders import Action, Orders, Taken
from tests.chaos.plan import Fault, Kind
from tests.chaos.site import Site
from tests.servers import Server

_LOOK_SECONDS = 0.1
_CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'chaos' AND pid <> pg_backend_pid()"


@dataclass
class Faults:
    """Does faults to a service. Each call lasts as long as its fault does.

    Attributes:
        site: the service.
        fleet: its workers.
        orders: that wait at named points.
        journal: where what was done is written.
        busy: pids of workers that hold a job now, by a look at the database.
        stop_seconds: how long a worker stands still that stopped itself at a point.
    """

    site: Site
    fleet: Fleet
    orders: Orders
    journal: Journal
    busy: Callable[[], list[int]]
    stop_seconds: float

    def __post_init__(self) -> None:
        self._stopped: set[int] = set()
        self._lock = threading.Lock()
        self._redis = threading.Lock()
        self._database = threading.Lock()
        self._disk = threading.Lock()
        self._seen = 0
        # A server ends with the thread that started it (PR_SET_PDEATHSIG): this one lives as long as the campaign.
        self._starter = ThreadPoolExecutor(1)

    def do(self, fault: Fault) -> None:
        """Do one."""
        how = {
            Kind.KILL: self._kill,
            Kind.POINT_KILL: self._order,
            Kind.POINT_ZOMBIE: self._order,
            Kind.RESET: self._order,
            Kind.ZOMBIE: self._zombie,
            Kind.DRAIN: self._drain,
            Kind.CUT: self._cut,
            Kind.API_KILL: self._api_kill,
            Kind.REDIS_KILL: self._redis_away,
            Kind.REDIS_ABSENT: self._redis_away,
            Kind.REDIS_FLUSH: self._redis_flush,
            Kind.REDIS_HANG: self._redis_hang,
            Kind.POSTGRES_STOP: self._postgres_stop,
            Kind.DISK_BLOBS: self._disk_full,
            Kind.DISK_HOME: self._disk_full,
        }[fault.kind]
        try:
            how(fault)
        except Exception as error:  # the others go on; the report says it
            self.journal.problems.append(f"{fault.kind} could not be done: {error!r}")

    def _start(self, server: Server) -> None:
        self._starter.submit(server.start).result()

    def let_go(self) -> None:
        """Notice who stopped itself at a point, and let it go on when its time is over; called again and again."""
        taken = self.orders.taken()
        for order in taken[self._seen :]:
            if order.action is Action.STOP:
                threading.Thread(target=self._wake_later, args=(order,), daemon=True).start()
            else:
                kind = Kind.POINT_KILL if order.action is Action.KILL else Kind.RESET
                self.journal.note(kind, order.at, order.pid, order.point)
        self._seen = len(taken)

    def _wake_later(self, order: Taken) -> None:
        with self._lock:
            self._stopped.add(order.pid)
        time.sleep(max(0.0, order.at + self.stop_seconds - time.time()))
        self._wake(Kind.POINT_ZOMBIE, order.at, order.pid, order.point)

    def _wake(self, kind: Kind, at: float, pid: int, point: str = "") -> None:
        self.journal.note(kind, at, pid, point)  # before it runs: what it does then is a zombie's doing
        self.fleet.send(pid, signal.SIGCONT)
        with self._lock:
            self._stopped.discard(pid)

    def _chosen(self, fault: Fault) -> int | None:
        """One that holds a job where there is such a one, and that does not stand still."""
        with self._lock:
            stopped = set(self._stopped)
        alive = [pid for pid in self.fleet.alive() if pid not in stopped]
        working = [pid for pid in self.busy() if pid in alive]
        candidates = working or alive
        if not candidates:
            self.journal.miss(fault.kind)
            return None
        return candidates[int(fault.choice * len(candidates))]

    def _kill(self, fault: Fault) -> None:
        pid = self._chosen(fault)
        if pid is not None:
            at = time.time()
            self.fleet.send(pid, signal.SIGKILL)
            self.journal.note(fault.kind, at, pid)

    def _drain(self, fault: Fault) -> None:
        pid = self._chosen(fault)
        if pid is not None:
            at = time.time()
            self.fleet.send(pid, signal.SIGTERM)
            self.journal.note(fault.kind, at, pid)

    def _zombie(self, fault: Fault) -> None:
        with self._lock:
            too_many = len(self._stopped) >= max(1, len(self.fleet.alive()) // 2)
        pid = None if too_many else self._chosen(fault)
        if pid is None:
            self.journal.miss(fault.kind)
            return
        with self._lock:
            self._stopped.add(pid)
        at = time.time()
        self.fleet.send(pid, signal.SIGSTOP)
        time.sleep(fault.seconds)
        self._wake(fault.kind, at, pid)

    def _order(self, fault: Fault) -> None:
        with self._lock:
            too_many = fault.kind is Kind.POINT_ZOMBIE and len(self._stopped) >= max(1, len(self.fleet.alive()) // 2)
        if too_many or fault.action is None or not self.orders.give(fault.point, fault.action):
            self.journal.miss(fault.kind)
            return
        time.sleep(fault.seconds)
        if self.orders.take_back(fault.point):
            self.journal.miss(fault.kind)

    def _cut(self, fault: Fault) -> None:
        if self.site.postgres is not None:
            with self._database:
                at = time.time()
                self.site.postgres.execute(_CUT)
                self.journal.note(fault.kind, at)

    def _api_kill(self, fault: Fault) -> None:
        at = time.time()
        self.site.kill_api()
        self.journal.note(fault.kind, at)

    def _redis_away(self, fault: Fault) -> None:
        if self.site.redis is not None:
            with self._redis:
                at = time.time()
                self.site.redis.stop()
                time.sleep(fault.seconds)
                self._start(self.site.redis)
                self.journal.note(fault.kind, at)

    def _redis_flush(self, fault: Fault) -> None:
        if self.site.redis is not None:
            with self._redis:
                at = time.time()
                self.site.redis.flush()
                self.journal.note(fault.kind, at)

    def _redis_hang(self, fault: Fault) -> None:
        if self.site.redis is not None:
            with self._redis:
                process = self.site.redis.process
                if process is None:
                    return
                at = time.time()
                process.send_signal(signal.SIGSTOP)
                time.sleep(fault.seconds)
                process.send_signal(signal.SIGCONT)
                self.journal.note(fault.kind, at)

    def _postgres_stop(self, fault: Fault) -> None:
        if self.site.postgres is not None:
            with self._database:
                at = time.time()
                self.site.postgres.stop(signal.SIGQUIT)
                time.sleep(fault.seconds)
                self._start(self.site.postgres)
                self.journal.note(fault.kind, at)

    def _disk_full(self, fault: Fault) -> None:
        disk = self.site.disks.get("blobs" if fault.kind is Kind.DISK_BLOBS else "home")
        if disk is None:
            self.journal.miss(fault.kind)
            return
        with self._database, self._disk:
            at = time.time()
            disk.fill()
            try:
                time.sleep(fault.seconds)
            finally:
                disk.free()
            if self.site.postgres is not None and not self.site.postgres.answers():
                # Without space for its log it stops at once, and does not come up again by itself.
                time.sleep(1.0)
                if not self.site.postgres.answers():
                    self.site.postgres.stop(signal.SIGQUIT)
                    self._start(self.site.postgres)
            self.journal.note(fault.kind, at)
