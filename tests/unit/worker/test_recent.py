from worker.recent import Recent


def key(n, job="a"):
    return (job, "align", f"face-{n}", "hash")


def test_the_latest_are_kept_and_what_was_used_last_outlives_what_was_not():
    recent = Recent(most_bytes=30)
    for n in range(3):
        recent.put(key(n), bytes(10), stored=True)
    assert recent.get(key(0)) == bytes(10)
    recent.put(key(3), bytes(10), stored=True)
    assert [n for n in range(4) if recent.get(key(n)) is not None] == [0, 2, 3]
    assert recent.size_bytes == 30


def test_the_very_last_is_kept_however_large_it_is():
    recent = Recent(most_bytes=30)
    recent.put(key(0), bytes(10), stored=True)
    recent.put(key(1), bytes(99), stored=True)
    assert (recent.get(key(0)), recent.get(key(1))) == (None, bytes(99))


def test_what_nobody_else_has_stays():
    recent = Recent(most_bytes=30)
    recent.put(key(0), bytes(20), stored=False)
    recent.put(key(1), bytes(20), stored=True)
    recent.put(key(2), bytes(20), stored=True)
    assert [n for n in range(3) if recent.get(key(n)) is not None] == [0, 2]


def test_what_is_put_again_counts_once_and_what_is_dropped_not_at_all():
    recent = Recent(most_bytes=30)
    recent.put(key(0), bytes(20), stored=False)
    recent.put(key(0), bytes(15), stored=True)
    recent.put(key(1), bytes(10), stored=True)
    recent.put(key(1, "b"), bytes(5), stored=True)
    assert recent.size_bytes == 30
    recent.drop(key(1))
    assert recent.size_bytes == 20
    recent.drop_job("a")
    assert (recent.get(key(0)), recent.get(key(1, "b"))) == (None, bytes(5))
