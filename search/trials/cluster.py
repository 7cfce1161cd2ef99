"""The workers of a Dask scheduler (extra `dask`), on this machine or on others.

dask scheduler --host 127.0.0.1 ;  dask worker tcp://127.0.0.1:8786 --nworkers 2 --nthreads 1

A scheduler runs whatever reaches its port: without encryption only this machine's own addresses are taken, any other
has to be tls://, its certificates as Dask's configuration names them (distributed.comm.tls). A worker that dies is
Dask's to replace (its nanny does); the candidate goes to another one, and is marked as failed after as many deaths as
the scheduler's distributed.scheduler.allowed-failures, 3 by default, allows.
"""

import ipaddress
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any
from urllib.parse import urlsplit

from ...engine.errors import DeviceError, UsageError
from ..strategies.strategy import Score, Spec
from .in_order import InOrder
from .laboratory import Abandoned, failed, never
from .workers import answer_to

PATIENCE = 30.0  # seconds to find the scheduler, and a worker; and without any worker
PAUSE = 5.0  # between two looks


class Cluster(InOrder):
    """Candidates go to as many workers as there are when the search begins, one to each. Raises UsageError where the
    address or the workers will not do, or Dask is not installed."""

    def __init__(self, setup: str, address: str, stopped: Callable[[], bool] = never) -> None:
        self.setup, self.client = setup, connected(check_address(address))
        self._looked = self._seen = time.monotonic()
        super().__init__(self._workers(address), stopped)

    def _workers(self, address: str) -> int:
        try:
            self.client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise self._refused(f"The scheduler {address} has no worker.", f"dask worker {address}") from None
        threads = self.client.nthreads()
        if set(threads.values()) != {1}:
            raise self._refused("A candidate is trained on one thread, and there are workers with more.", "")
        return len(threads)

    def _refused(self, what: str, start: str) -> UsageError:
        self.client.close()
        return UsageError(what, f"Start workers with: {start or 'dask worker ADDRESS'} --nthreads 1.")

    def score(self, spec: Spec) -> Score:
        from distributed import KilledWorker  # type: ignore[import-not-found, unused-ignore]  # an extra

        try:
            future = self.client.submit(answer_to, spec, self.setup, pure=False)
            answer: Score | Exception = future.result()
        except KilledWorker:
            return failed("its workers died")
        except CancelledError:
            if self.stopped():
                raise Abandoned from None
            raise DeviceError(
                "The scheduler has gone.", "Start it again, then go on with --resume."
            ) from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def look(self) -> None:
        now = time.monotonic()
        if now - self._looked < PAUSE:
            return
        self._looked = now
        self._seen = now if self.client.nthreads() else self._seen
        if now - self._seen > PATIENCE:
            raise DeviceError(
                f"The scheduler has had no worker for {PATIENCE:.0f} s.",
                "Start some, then go on with --resume.",
            )

    def close(self) -> None:
        self.client.close()
        super().close()


def check_address(address: str) -> str:
    """The address, where it is encrypted or this machine's own. Raises UsageError."""
    try:
        parts = urlsplit(address if "://" in address else f"tcp://{address}")
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise UsageError(
            f'--scheduler "{address}" cannot be read: {error}.', "Write tls://HOST:PORT."
        ) from None
    if not host or port is None or parts.scheme not in ("tcp", "tls"):
        raise UsageError(
            f'--scheduler "{address}" is no address.', "Write tcp://127.0.0.1:8786, or tls://HOST:PORT."
        )
    if parts.scheme != "tls" and not _of_this_machine(host):
        raise UsageError(
            f'--scheduler "{address}" is another machine, and tcp is neither encrypted nor authenticated.',
            f"Use tls://{host}:{port}, with certificates in Dask's configuration (docs/searches.md).",
        )
    return parts.geturl()


def _of_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return False


def connected(address: str) -> Any:
    """A client of the scheduler. Raises UsageError."""
    try:
        from distributed import Client
    except ImportError:
        raise UsageError(
            "--executor dask needs Dask, which is not installed.", "pip install 'bionas-cupy[dask]'"
        ) from None
    try:
        return Client(address, timeout=PATIENCE, security=encryption(address), set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            f"The scheduler {address} does not answer: {error}.", "Is it running there?"
        ) from None


def encryption(address: str) -> Any:
    """What Dask's configuration says of certificates, for tls:// alone; a client without any would wait for nothing.

    Raises UsageError where there are none, or they cannot be read.
    """
    from distributed import Security

    if not address.startswith("tls:"):
        return None
    security = Security(require_encryption=True)
    cure = "Name ca-file, client.cert and client.key under distributed.comm.tls (docs/searches.md)."
    try:
        found = security.get_connection_args("client")["ssl_context"]
    except (OSError, ValueError) as error:
        raise UsageError(f"The certificates of Dask's configuration cannot be read: {error}.", cure) from None
    if found is None:
        raise UsageError(f"{address} needs certificates, and Dask's configuration has none.", cure)
    return security
