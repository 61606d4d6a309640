"""Parser of multipart/form-data: text fields, and one file that is spooled while it arrives.

Text is UTF-8, whatever charset the request or a part declares: a client can't choose a codec.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import UploadFile

from zhiyin.domain.errors import InvalidRequest

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_FIELDS = 64
MAX_FIELD_BYTES = 64 << 10
MAX_TEXT_BYTES = 256 << 10
_SPOOL_BYTES = 256 << 10  # more than this of a file is on disk
_FILENAME = re.compile(rb";\s*filename\*?\s*=", re.IGNORECASE)  # `filename*=` is RFC 5987's


def boundary_of(content_type: str) -> bytes:
    """The boundary of a multipart/form-data Content-Type. Raises InvalidRequest."""
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise InvalidRequest(
            "Send the request as multipart/form-data with the recording in the field 'file', for "
            "example: curl -F file=@speech.wav",
            code="invalid_content_type",
        )
    if not options.get(b"boundary"):
        raise InvalidRequest("The form can't be read: its Content-Type has no boundary.")
    return options[b"boundary"]


class FormParser:
    """Feed it the body. `fields` are (name, text) in order; `file` is the field `file`, if any.

    All methods raise InvalidRequest for a form that is malformed, too long or not UTF-8, and
    OSError when the file can't be stored. `close` deletes the file. `keep(bytes)` is called with
    the size of each piece of the file before it is stored.
    """

    def __init__(self, boundary: bytes, keep: Callable[[int], None] = lambda _: None) -> None:
        self.fields: list[tuple[str, str]] = []
        self.file: UploadFile | None = None
        self._keep = keep
        self._digest = hashlib.sha256()
        self._header = (bytearray(), bytearray())
        self._headers: dict[bytes, bytes] = {}
        self._name = ""
        self._text: bytearray | None = None  # of the part that is read; None: it is the file
        self._text_bytes = 0
        self._arrived: list[bytes] = []
        self._ended = False
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin_part,
            "on_header_field": self._read_header_name,
            "on_header_value": self._read_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._read_data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError as error:
            raise InvalidRequest("The form can't be read: its boundary is too long.") from error

    @property
    def digest(self) -> bytes:
        """SHA-256 of the file."""
        return self._digest.digest()

    async def feed(self, chunk: bytes) -> None:
        """Parse the next bytes of the body."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise InvalidRequest(
                "The form can't be read: it is not valid multipart data."
            ) from error
        if self.file is not None and self._arrived:
            data = b"".join(self._arrived)
            self._arrived.clear()
            self._keep(len(data))
            self._digest.update(data)
            await self.file.write(data)

    async def finish(self) -> None:
        """The body has ended."""
        if not self._ended:
            raise InvalidRequest("The form can't be read: its last boundary is missing.")
        if self.file is not None:
            await self.file.seek(0)

    async def close(self) -> None:
        """Delete the file."""
        if self.file is not None:
            await self.file.close()

    def _begin_part(self) -> None:
        self._headers = {}
        self._text = bytearray()

    def _read_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _read_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _end_header(self) -> None:
        name, value = self._header
        self._headers[bytes(name).lower()] = bytes(value)
        self._header = (bytearray(), bytearray())

    def _end_headers(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        name = parse_options_header(disposition)[1].get(b"name")
        if name is None:
            raise InvalidRequest("The form can't be read: a part of it has no name.")
        self._name = decoded(name, "The name of a field")
        if self._is_file(disposition):
            self._begin_file()
        elif plain_name(self._name) == "file":
            raise InvalidRequest(
                "The field 'file' holds text. Send it as a file, for example "
                "curl -F file=@speech.wav",
                code="invalid_value",
                param="file",
            )
        elif len(self.fields) == MAX_FIELDS:
            raise InvalidRequest(f"The form has more than {MAX_FIELDS} fields.")

    def _is_file(self, disposition: bytes) -> bool:
        """A part with a file name, or a field `file` that is declared as other than text."""
        if _FILENAME.search(disposition):
            return True
        kind = self._headers.get(b"content-type", b"text/plain").strip().lower()
        return plain_name(self._name) == "file" and not kind.startswith(b"text/")

    def _begin_file(self) -> None:
        if self.file is not None or plain_name(self._name) != "file":
            raise InvalidRequest(
                "Send exactly one file, in the field 'file'.", code="invalid_value", param="file"
            )
        self._text = None
        spooled = SpooledTemporaryFile(max_size=_SPOOL_BYTES)  # noqa: SIM115  # closed by `close`
        self.file = UploadFile(spooled, size=0)  # type: ignore[arg-type]  # as in Starlette

    def _read_data(self, data: bytes, start: int, end: int) -> None:
        if self._text is None:
            self._arrived.append(data[start:end])
            return
        self._text_bytes += end - start
        if len(self._text) + end - start > MAX_FIELD_BYTES or self._text_bytes > MAX_TEXT_BYTES:
            limit = f"{MAX_FIELD_BYTES >> 10} KiB, all together {MAX_TEXT_BYTES >> 10} KiB"
            raise InvalidRequest(
                f"The field '{self._name[:40]}' is too long: a text field may have {limit}.",
                code="invalid_value", param=plain_name(self._name)[:40],
            )  # fmt: skip
        self._text += data[start:end]

    def _end_part(self) -> None:
        if self._text is not None:
            what = f"The field '{self._name[:40]}'"
            text = decoded(self._text, what, plain_name(self._name)[:40])
            self.fields.append((self._name, text))

    def _end(self) -> None:
        self._ended = True


def plain_name(name: str) -> str:
    """The name of a field without brackets: `x[]` is `x`."""
    return name.split("[", 1)[0]


def decoded(data: bytes | bytearray, what: str, param: str | None = None) -> str:
    """Text in UTF-8. Raises InvalidRequest."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"{what} is not text in UTF-8. Send all text in UTF-8.",
            code="invalid_value",
            param=param,
        ) from error
