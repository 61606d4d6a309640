"""/v1/owners: erasure of an owner's data."""

from __future__ import annotations

from fastapi import APIRouter

from zhiyin.access.context import NO_PARAMETERS, Context, Owner
from zhiyin.access.json_types import Json

router = APIRouter(prefix="/v1/owners", tags=["owners"])


@router.delete(
    "/me/data", summary="Erase all stored data of the caller", dependencies=[NO_PARAMETERS]
)
async def erase(context: Context, owner: Owner) -> Json:
    """History with its keys, jobs in any state, recordings, captions; the receipt counts them."""
    receipt = await context.service.erasure.erase(owner)
    erased_at = receipt.erased_at.isoformat(timespec="milliseconds")
    return {"owner": receipt.owner, "erased_at": erased_at, **receipt.counts}
