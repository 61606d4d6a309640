"""Multipart uploads: the file into a temporary file, the fields into a form model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from zhiyin.access.validation import Form, missing, validated
from zhiyin.domain.errors import EmptyAudio, InvalidRequest, Unavailable
from zhiyin.domain.source import AudioSource

_MAX_FIELDS = 64
_MAX_FIELD_BYTES = 64 << 10


@dataclass(slots=True)
class Upload:
    """An uploaded recording, spooled to an unnamed temporary file. Close it after use."""

    source: AudioSource
    _form: FormData

    async def close(self) -> None:
        """Delete the temporary file."""
        await self._form.close()


async def read_upload(request: Request, model: type[Form]) -> tuple[Upload, Form]:
    """The file and the validated fields. Raises InvalidRequest, EmptyAudio or TooLarge."""
    upload, form = await read_form(request, model)
    if upload is None:
        raise missing("file", "Send the recording as the multipart field 'file'.")
    return upload, form


async def read_form(request: Request, model: type[Form]) -> tuple[Upload | None, Form]:
    """The file, if there is one, and the validated fields; raises as `read_upload`."""
    data, digest = await _read(request)
    try:
        fields, file = _split(data, _list_fields(model))
        if file is None and "file" not in data:
            return None, validated(model, fields)
        if file is None:
            raise InvalidRequest(
                "The field 'file' holds text. Send it as a file, for example "
                "curl -F file=@speech.wav",
                code="invalid_value",
                param="file",
            )
        form = validated(model, fields)
        if not file.size:
            raise EmptyAudio("The file is empty: it has no bytes.", param="file")
        return Upload(AudioSource(file.file, file.size, digest), data), form
    except BaseException:
        await data.close()
        raise


class _Parser(MultiPartParser):
    """Computes the SHA-256 of the file while it arrives; a form has at most one."""

    def __init__(self, request: Request) -> None:
        super().__init__(
            request.headers, request.stream(), max_files=2, max_fields=_MAX_FIELDS,
            max_part_size=_MAX_FIELD_BYTES,
        )  # fmt: skip
        self.digest = hashlib.sha256()

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        """As Starlette's, and update the digest."""
        super().on_part_data(data, start, end)
        if self._current_part.file is not None:
            self.digest.update(memoryview(data)[start:end])


async def _read(request: Request) -> tuple[FormData, bytes]:
    """The form, and the digest of its file."""
    kind = request.headers.get("content-type", "")
    if not kind.lower().startswith("multipart/form-data"):
        raise InvalidRequest(
            "Send the request as multipart/form-data with the recording in the field 'file', for "
            "example: curl -F file=@speech.wav",
            code="invalid_content_type",
        )
    try:
        parser = _Parser(request)
        return await parser.parse(), parser.digest.digest()
    except MultiPartException as error:
        raise InvalidRequest(f"The form can't be read: {error.message}") from error
    except ClientDisconnect as error:
        raise InvalidRequest("The upload ended early.") from error
    except OSError as error:
        raise Unavailable("The server could not store the upload; its disk may be full.") from error


def _list_fields(model: type[BaseModel]) -> set[str]:
    fields = model.model_fields.items()
    return {name for name, field in fields if str(field.annotation).startswith("list")}


def _split(data: FormData, lists: Iterable[str]) -> tuple[dict[str, object], UploadFile | None]:
    """Fields by plain name (`x[]` is `x`; empty text is absent), and the file."""
    fields: dict[str, object] = {}
    file: UploadFile | None = None
    for key, value in data.multi_items():
        name = key.split("[", 1)[0]
        if isinstance(value, UploadFile):
            if name != "file" or file is not None:
                raise InvalidRequest(
                    "Send exactly one file, in the field 'file'.",
                    code="invalid_value",
                    param="file",
                )
            file = value
        elif name == "file" or not value.strip():
            continue
        elif name in lists:
            held = fields.setdefault(name, [])
            assert isinstance(held, list)
            held.append(value)
        elif name in fields and key == name:
            raise InvalidRequest(
                f"The field '{name[:40]}' is given twice.", code="invalid_value", param=name[:40]
            )
        else:
            fields[name] = value
    return fields, file
