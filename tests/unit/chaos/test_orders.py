import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from tests.chaos.orders import Action, Orders

REACH = (
    "import sys; from pathlib import Path; from tests.chaos.orders import Orders; "
    "Orders(Path(sys.argv[1])).reach('a:b:before', None)"
)


def test_an_order_waits_once_however_many_give_it(tmp_path):
    orders = Orders(tmp_path)
    with ThreadPoolExecutor(8) as givers:
        given = list(givers.map(lambda _: orders.give("a:b:before", Action.KILL), range(64)))
    assert given.count(True) == 1
    assert orders.take_back("a:b:before")
    assert not orders.take_back("a:b:before")


def test_who_reaches_a_point_carries_its_order_out_once_and_it_is_written_down(tmp_path):
    orders = Orders(tmp_path)
    orders.give("a:b:before", Action.KILL)
    codes = [subprocess.run([sys.executable, "-c", REACH, str(tmp_path)], check=False).returncode for _ in range(2)]  # noqa: S603  # our own
    assert codes == [-9, 0]
    (taken,) = orders.taken()
    assert (taken.point, taken.action) == ("a:b:before", Action.KILL)
    assert json.loads((tmp_path / "taken.jsonl").read_text())["pid"] == taken.pid
