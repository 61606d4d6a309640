"""`zhiyin config`: check the settings, or print them as a documented zhiyin.toml."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from zhiyin.config import Settings, load, settings_file
from zhiyin.domain.errors import ConfigError

_SECRET = re.compile(r"(?<=://).*@")  # credentials in a URL


def check() -> None:
    """Validate; raises ConfigError with every problem."""
    settings = load()
    file = settings_file()
    if settings.models.default not in set(_model_ids(settings)):
        raise ConfigError(
            f"models.default: there is no model '{settings.models.default}'. "
            "See: zhiyin models list"
        )
    print(f"The configuration is right ({file or 'no file; defaults and environment'}).")


def _model_ids(settings: Settings) -> Iterator[str]:
    from zhiyin.wiring.engines import providers

    for provider in providers(settings):
        yield from (m.id for m in provider.models())


def show(defaults: bool) -> None:
    """Print the settings in force, or the documented defaults."""
    print(as_toml(None if defaults else load()), end="")


def as_toml(settings: Settings | None) -> str:
    """A zhiyin.toml; without settings, the defaults with every key commented out."""
    lines: list[str] = []
    if settings is None:
        lines += ["# zhiyin.toml: every setting with its default. Uncomment what you change.", ""]
    groups: list[tuple[str, Any]] = []
    for name, field in Settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            groups.append((name, kind))
        elif settings is None:
            lines += [f"# {field.description}", f'# {name} = "(your user data folder)/zhiyin"']
        else:
            lines.append(f"{name} = {_value(getattr(settings, name))}")
    for name, kind in groups:
        held = kind() if settings is None else getattr(settings, name)
        doc = [] if settings else [f"# {(kind.__doc__ or '').strip()}"]
        lines += ["", *doc, f"[{name}]", *_group(kind, held, documented=settings is None)]
    return "\n".join(lines) + "\n"


def _group(kind: type[BaseModel], held: BaseModel, *, documented: bool) -> Iterator[str]:
    for name, field in kind.model_fields.items():
        line = f"{name} = {_value(getattr(held, name))}"
        if documented:
            yield f"# {field.description}"
        yield f"# {line}" if documented else line


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, dict):
        inner = ", ".join(f"{json.dumps(k)} = {_value(v)}" for k, v in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    plain = str(value) if isinstance(value, Path | SecretStr) else value  # a secret shows as stars
    if isinstance(plain, str):
        plain = _SECRET.sub("***@", plain)
    return json.dumps(plain, ensure_ascii=False)
