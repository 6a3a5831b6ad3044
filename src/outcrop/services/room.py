"""A folder of services that is imported and built when its first request comes.

A stack that has never been asked for knowledge bases then knows neither their code nor their tables: that keeps the
start short and the idle process small, however many services there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from outcrop.services.contract import Service


class Room:
    """The services that `build` makes; `names` are their botocore names, known before anything is imported."""

    def __init__(self, names: Sequence[str], build: Callable[[], Sequence[Service]]) -> None:
        self.names = tuple(names)
        self._build = build
        self._services: dict[str, Service] | None = None
        self._unstarted: list[Service] = []

    @property
    def is_open(self) -> bool:
        return self._services is not None

    @property
    def services(self) -> dict[str, Service]:
        """By name; built at the first call. Raises ValueError if `build` makes others than it promised."""
        if self._services is None:
            services = {service.name: service for service in self._build()}
            if sorted(services) != sorted(self.names):
                raise ValueError(f"expected the services {sorted(self.names)}, but built are {sorted(services)}")
            self._services = services
            self._unstarted = [service for service in services.values() if service.on_start]
        return self._services

    @property
    def is_started(self) -> bool:
        """Whether nothing that was built still waits for its start."""
        return not self._unstarted

    async def start(self) -> None:
        """Run the `on_start` of what was built; once."""
        while self._unstarted:
            on_start = self._unstarted.pop(0).on_start
            assert on_start is not None
            await on_start()

    async def stop(self) -> None:
        """Run the `on_stop` of what was built, in reverse."""
        for service in reversed((self._services or {}).values()):
            if service.on_stop:
                await service.on_stop()
