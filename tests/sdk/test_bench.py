"""The bench of the tree, small: what it measures is there and makes sense."""

from sightline import bench


def test_the_tree_is_measured():
    """Times are positive and in order; a late change computes its five dependents and no more."""
    told = bench.measure(steps=40, large=120, rounds=3)
    spreads = [*told["overhead_ms"].values(), *told["moves_ms"].values(), told["open_and_log_ms"]]
    assert all(0 < spread["p50"] <= spread["p99"] <= spread["max"] for spread in spreads)
    assert set(told["overhead_ms"]) == {"generate", "edit", "understand", "crop", "all"}
    assert 0 < told["database_mb"]["mb"] < 5
    assert (told["late_change"]["calls_first"], told["late_change"]["calls_after_change"]) == (20, 5)
