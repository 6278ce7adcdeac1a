"""One campaign: a service is set up and fed with work, harm is done by plan, and then everything is looked at."""

import threading
import time
from contextlib import suppress
from pathlib import Path

from core.db.session import Database
from tests.chaos import effects
from tests.chaos.blame import losses
from tests.chaos.celery_fleet import CeleryFleet
from tests.chaos.client import Client
from tests.chaos.faults import Faults
from tests.chaos.fleet import Fleet, ForkedFleet
from tests.chaos.journal import Journal
from tests.chaos.ledger import Ledger
from tests.chaos.options import Mode, Options
from tests.chaos.orders import Orders
from tests.chaos.outcomes import made_of, outcomes
from tests.chaos.plan import Fault, plan
from tests.chaos.recovery import recoveries
from tests.chaos.report import Report, report_of
from tests.chaos.site import Site, site_of
from tests.chaos.verdict import Evidence, findings
from tests.chaos.watch import Watch

SETTLE_SECONDS = 180.0
"""Longer than three lost leases with the pauses between them."""
_PREPARE_SECONDS = 120.0
_OPEN_PER_WORKER = {Mode.SERVER: 3, Mode.EMBEDDED: 3, Mode.CELERY: 1}
"""How much more is asked for than can be done at once; under Celery no more: a new job is to find who is rung."""
_TICK_SECONDS = 0.05


def run(options: Options, folder: Path) -> Report:
    """Do it all; the folder keeps what was written down."""
    with site_of(options, folder) as site:
        database = Database(site.database_url, 4)
        effects.install(database)
        watch = Watch(database)
        orders, journal, ledger = (
            Orders(folder / "orders"),
            Journal(folder / "journal.jsonl"),
            Ledger(folder / "ledger.jsonl"),
        )
        site.start_api()
        fleet = fleet_of(options, site)
        try:
            faults = Faults(site, fleet, orders, journal, watch.busy, options.faults.zombie_seconds)
            client = Client(
                site.url,
                site.headers,
                ledger,
                options.seed,
                watch.open_jobs,
                _OPEN_PER_WORKER[options.mode] * options.workers,
            )
            client.prepare()
            _wait(watch, _PREPARE_SECONDS)
            client.start()
            began = time.time()
            _do(plan(options.seed, options.seconds, options.faults), faults)
            client.stop()
            _wait(watch, SETTLE_SECONDS)
            settled = time.time()
            faults.let_go()
            evidence = Evidence(
                outcomes(site, ledger.accepted),
                list(ledger.entries.values()),
                made_of(database),
                _read(database),
                journal.done,
                fleet.ended,
                client.statuses,
                options.lease_seconds,
            )
        finally:
            fleet.close()
            database.close()
        found = findings(evidence)
        all_losses = losses(evidence.effects, evidence.done, evidence.ended)
        times = recoveries(evidence.effects, evidence.done, all_losses, ledger.accepted)
        problems = [*client.problems, *journal.problems]
        return report_of(options, evidence, found, all_losses, times, settled - began, journal.missed, problems)


def fleet_of(options: Options, site: Site) -> Fleet:
    """Workers as the mode has them."""
    if options.mode is Mode.CELERY:
        return CeleryFleet(options.workers, site.environment, site.folder / "workers.log")
    return ForkedFleet(options.workers, site.environment, site.folder / "workers.log")


def _do(planned: tuple[Fault, ...], faults: Faults) -> None:
    """Each fault at its time, in a thread of its own: some last for seconds."""
    began = time.monotonic()
    threads = []
    done = threading.Event()

    def let_go() -> None:
        while not done.wait(_TICK_SECONDS):
            faults.let_go()

    keeper = threading.Thread(target=let_go, daemon=True)
    keeper.start()
    for fault in planned:
        time.sleep(max(0.0, began + fault.at - time.monotonic()))
        thread = threading.Thread(target=faults.do, args=(fault,), daemon=True)
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()
    faults.orders.withdraw()
    time.sleep(2 * faults.stop_seconds)  # who stopped itself last is let go on
    done.set()
    keeper.join()


def _wait(watch: Watch, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while watch.open_jobs() and time.monotonic() < deadline:
        time.sleep(0.2)


def _read(database: Database) -> list[effects.Effect]:
    with suppress(FileNotFoundError), database.read() as session:
        return list(effects.read(session))
    return []
