"""Settings: every limit of a server, in one place, with defaults for one machine."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """What a server allows; sizes in bytes, times in seconds.

    `data` is the folder of the tenants' stores, None one that goes with the server. A request may
    have `max_body` bytes, a single picture `max_upload` bytes and `max_pixels` pixels, and
    a call may draw `max_drawn` pixels in all.
    Headers must be there after `header_timeout`, each next piece of a body after
    `body_timeout`, and a call must end within `call_timeout`. At most `max_running` calls
    run at a time and `max_waiting` more may wait; others are told to come again. More than
    `max_connections` open connections are refused. With `fetch_images` a picture may be a
    https: URL, which is fetched within `fetch_timeout`; with `fetch_plain` a http: one too.
    `allow_origins` are web pages that may call, `allow_hosts` names under which a server
    without keys may be called beside those of this machine.
    """

    data: Path | None = None
    max_body: int = 32 * 2**20
    max_upload: int = 20 * 2**20
    max_pixels: int = 16_000_000
    max_drawn: int = 64 * 2**20
    max_headers: int = 32 * 2**10
    header_timeout: float = 10.0
    body_timeout: float = 20.0
    call_timeout: float = 600.0
    max_running: int = 64
    max_waiting: int = 256
    max_sessions_open: int = 64
    max_connections: int = 512
    drain_timeout: float = 10.0
    fetch_images: bool = False
    fetch_plain: bool = False
    fetch_timeout: float = 10.0
    allow_origins: tuple[str, ...] = ()
    allow_hosts: tuple[str, ...] = ()
