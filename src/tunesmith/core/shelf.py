"""A shelf: the plug-ins of one kind, found by being a file in a folder, or by entry point."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from functools import cached_property
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from tunesmith.core.errors import ConfigError, did_you_mean

T = TypeVar("T")


class Shelf(Generic[T]):
    """Plug-ins by name. Every module of `package` is imported when the shelf is first read;
    other packages join through the entry point group `tunesmith.<name>`."""

    def __init__(self, name: str, package: str) -> None:
        self.name = name
        self.package = package
        self._plugins: dict[str, T] = {}

    def add(self, key: str) -> Callable[[type[T]], type[T]]:
        """Decorator for a plug-in class: one instance of it stands on the shelf as `key`."""

        def put(plugin: type[T]) -> type[T]:
            self.put(key, plugin())
            return plugin

        return put

    def put(self, key: str, plugin: T) -> None:
        """Place a value on the shelf.

        Raises:
            ConfigError: Another plug-in has this name.
        """
        if key in self._plugins and type(self._plugins[key]) is not type(plugin):
            raise ConfigError(f"Two plug-ins on the shelf {self.name!r} are named {key!r}.")
        self._plugins[key] = plugin

    @cached_property
    def _found(self) -> bool:
        folder = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(folder.__path__):
            if not module.name.startswith("_"):
                importlib.import_module(f"{self.package}.{module.name}")
        for point in entry_points(group=f"tunesmith.{self.name}"):
            if point.name not in self._plugins:
                self.put(point.name, point.load()())
        return True

    def __getitem__(self, key: str) -> T:
        """The plug-in named `key`.

        Raises:
            ConfigError: There is none; names the nearest.
        """
        if self._found and key not in self._plugins:
            raise ConfigError(
                f"There is no {self.name} plug-in {key!r}.{did_you_mean(key, self._plugins)}"
            )
        return self._plugins[key]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._plugins) if self._found else ())

    def __contains__(self, key: object) -> bool:
        return self._found and key in self._plugins

    def items(self) -> list[tuple[str, T]]:
        return [(key, self[key]) for key in self]
