"""`zhiyin models`: list, pull and locate models."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from zhiyin.config import Settings, load
from zhiyin.domain.engine import ModelInfo
from zhiyin.domain.errors import UnknownModel
from zhiyin.ports.engine import EngineProvider
from zhiyin.wiring.engines import providers


def show(data_dir: Path | None) -> None:
    """A table of all models."""
    settings = load(data_dir=data_dir)
    table = Table()
    for column in ("model", "engine", "size", "installed", "languages"):
        table.add_column(column, no_wrap=True)
    table.add_column("")
    for provider in providers(settings):
        for model in provider.models():
            name = f"{model.id} (default)" if model.id == settings.models.default else model.id
            size = f"{model.size_bytes / 1e6:.0f} MB" if model.size_bytes else "-"
            languages = str(len(model.capabilities.languages))
            installed = "yes" if model.installed else "no"
            table.add_row(name, model.engine, size, installed, languages, model.description)
    Console().print(table)


def pull(name: str, data_dir: Path | None) -> None:
    """Fetch, verify, and say where it is."""
    provider, model = find(name, load(data_dir=data_dir))
    print(f"{model.id}: {provider.pull(model.id)}")


def path(name: str, data_dir: Path | None) -> Path:
    """The folder of an installed model."""
    provider, model = find(name, load(data_dir=data_dir))
    return provider.path(model.id)


def find(name: str, settings: Settings) -> tuple[EngineProvider, ModelInfo]:
    """A model by id, alias or short name (`base`), and who offers it. Raises UnknownModel."""
    wanted = settings.models.aliases.get(name, name)
    for provider in providers(settings):
        for model in provider.models():
            if model.id in (wanted, f"{provider.name}-{wanted}"):
                return provider, model
    raise UnknownModel(f"There is no model '{name}'. See: zhiyin models list")
