"""Uploads: the file into a temporary file, the fields of form and query into a form model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request

from zhiyin.access.context import FOREIGN_PARAMETERS, app_context, arriving
from zhiyin.access.http.multipart import FormParser, boundary_of, plain_name
from zhiyin.access.validation import Form, missing, validated
from zhiyin.domain.errors import EmptyAudio, InvalidRequest, Unavailable
from zhiyin.domain.source import AudioSource


@dataclass(slots=True)
class Upload:
    """An uploaded recording, spooled to an unnamed temporary file. Close it after use."""

    source: AudioSource
    _parser: FormParser

    async def close(self) -> None:
        """Delete the temporary file."""
        await self._parser.close()


async def read_upload(request: Request, model: type[Form]) -> tuple[Upload, Form]:
    """The file and the validated fields. Raises InvalidRequest, EmptyAudio or TooLarge."""
    upload, form = await read_form(request, model)
    if upload is None:
        raise missing("file", "Send the recording as the multipart field 'file'.")
    return upload, form


async def read_form(request: Request, model: type[Form]) -> tuple[Upload | None, Form]:
    """The file, if there is one, and the validated fields; raises as `read_upload`.

    Raises Overloaded when too many bytes of other uploads have arrived meanwhile.
    """
    boundary = boundary_of(request.headers.get("content-type", ""))
    with arriving(app_context(request)) as count:
        return await _read_form(request, FormParser(boundary, count), model)


async def _read_form(
    request: Request, parser: FormParser, model: type[Form]
) -> tuple[Upload | None, Form]:
    try:
        await _feed(parser, request)
        query = request.query_params.multi_items()
        given = [pair for pair in query if pair[0] not in FOREIGN_PARAMETERS] + parser.fields
        form = validated(model, _by_name(given, _list_fields(model)))
        if parser.file is None:
            return None, form
        size = parser.file.size
        if not size:
            raise EmptyAudio("The file is empty: it has no bytes.", param="file")
        source = AudioSource(parser.file.file, size, parser.digest)
        return Upload(source, parser), form
    except BaseException:
        await parser.close()
        raise


async def _feed(parser: FormParser, request: Request) -> None:
    try:
        async for chunk in request.stream():
            await parser.feed(chunk)
        await parser.finish()
    except ClientDisconnect as error:
        raise InvalidRequest("The upload ended early.") from error
    except OSError as error:
        raise Unavailable("The server could not store the upload; its disk may be full.") from error


def _list_fields(model: type[BaseModel]) -> set[str]:
    fields = model.model_fields.items()
    return {name for name, field in fields if str(field.annotation).startswith("list")}


def _by_name(given: Iterable[tuple[str, str]], lists: Iterable[str]) -> dict[str, object]:
    """Fields by plain name; empty text is absent. Raises InvalidRequest for one given twice."""
    fields: dict[str, object] = {}
    for key, value in given:
        name = plain_name(key)
        if name == "file":
            raise InvalidRequest(
                "Send the recording in the body, as the multipart field 'file'.",
                code="invalid_value", param="file",
            )  # fmt: skip
        if not value.strip():
            continue
        if name in lists:
            held = fields.setdefault(name, [])
            assert isinstance(held, list)
            held.append(value)
        elif name in fields:
            raise InvalidRequest(
                f"The field '{name[:40]}' is given twice.", code="invalid_value", param=name[:40]
            )
        else:
            fields[name] = value
    return fields
