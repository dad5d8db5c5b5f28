"""The bench of the server: what it measures in small, and what must hold at any size."""

from sightline.server.bench import measure


def test_load_and_leaving_clients_leave_nothing_behind():
    """No error, no call that goes on, no thread, file or memory for each client that came and went."""
    measured = measure(connections=8, seconds=0.5, delay=0.1, disconnects=20)
    assert measured["chat"]["statuses"].keys() == {"200"}
    assert measured["chat"]["calls"] >= 8
    assert measured["disconnects"]["statuses"] == {"200": 20}
    assert measured["disconnects"]["calls_left_after_s"] is not None
    before, after = measured["held"]["before"], measured["held"]["after_disconnects"]
    if before:  # where /proc tells
        assert after["files"] <= before["files"] + 5
        assert after["threads"] <= before["threads"] + 45
        assert after["rss_mb"] <= before["rss_mb"] + 40
