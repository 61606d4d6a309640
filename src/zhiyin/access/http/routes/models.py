"""/v1/models: the list of models."""

from __future__ import annotations

from fastapi import APIRouter

from zhiyin.access.context import Context
from zhiyin.access.http import render
from zhiyin.access.json_types import Json

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("", summary="List the models that can be used")
async def list_models(context: Context) -> Json:
    """Installed models, the default first, then their aliases."""
    registry = context.service.registry
    found = {m.id: m for m in registry.models() if m.installed}
    names = sorted(found, key=lambda name: name != registry.default)
    data = [render.model_json(name, found[name]) for name in names]
    for alias, target in registry.aliases.items():
        if target in found and alias not in found:
            data.append(render.model_json(alias, found[target]))
    return {"object": "list", "data": data}


@router.get("/{model_id:path}", summary="One model")
async def one_model(model_id: str, context: Context) -> Json:
    """A model or alias; 404 when there is none. Without an id, as clients may ask, the list."""
    if not model_id:
        return await list_models(context)
    return render.model_json(model_id, context.service.registry.resolve(model_id))
