"""The pages' own files (scripts, styles, vendored libraries), served from memory at addresses that change with them."""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_FOLDER: Final = Path(__file__).parent / "static"
_TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_FOREVER: Final = "public, max-age=31536000, immutable"


class Assets:
    """All files share one digest in their address, so that modules can import each other by relative names."""

    def __init__(self) -> None:
        files = {p.relative_to(_FOLDER).as_posix(): p.read_bytes() for p in sorted(_FOLDER.rglob("*")) if p.is_file()}
        self._files = files
        digest = hashlib.blake2b(digest_size=6)
        for name, data in files.items():
            digest.update(name.encode() + b"\0" + data)
        self.digest: Final = digest.hexdigest()

    def path(self, name: str) -> str:
        """Where a file is, below the pages' root. Raises ``KeyError`` for a file that is not there."""
        if name not in self._files:
            raise KeyError(name)
        return f"/static/{self.digest}/{name}"

    def route(self) -> Route:
        return Route("/static/{digest}/{name:path}", self._serve)

    async def _serve(self, request: Request) -> Response:
        name = request.path_params["name"]
        data = self._files.get(name)
        if data is None:
            return Response("Not found", 404, media_type="text/plain")
        # a page that was open while the server was upgraded asks for files of its own time, and must not keep these
        current = request.path_params["digest"] == self.digest
        kind = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "text/plain"
        return Response(data, media_type=kind, headers={"cache-control": _FOREVER if current else "no-store"})
