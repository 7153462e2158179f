"""What every page works with: the reader, the clock, the templates."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from collector.storage.api import Reader
from dashboards import filters
from dashboards import format as fmt
from dashboards.assets import Assets

if TYPE_CHECKING:
    from jinja2 import Environment

P = ParamSpec("P")
T = TypeVar("T")

_TEMPLATES: Final = Path(__file__).parent / "templates"


@dataclass
class Site:
    """``clock`` gives nanoseconds since the epoch. ``parts``: of operations, evaluation, datasets those with pages."""

    reader: Reader
    clock: Callable[[], int]
    parts: Collection[str] = ()
    assets: Assets = field(default_factory=Assets)

    async def read(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs one of the reader's methods, which block, on a thread."""
        return await anyio.to_thread.run_sync(partial(method, *args, **kwargs))

    @cached_property
    def _templates(self) -> Environment:
        # imported here because a collector that nobody looks at should not pay for it
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

        environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals.update(fmt=fmt, ranges=filters.RANGES, statuses=filters.STATUSES)
        return environment

    def html(self, request: Request, template: str, status: int = 200, **context: Any) -> Response:
        """A page or a fragment. ``root`` is where the pages are mounted, ``asset`` gives a static file's address."""
        root = request.scope.get("root_path", "")
        text = self._templates.get_template(template).render(
            context,
            root=root,
            asset=lambda name: root + self.assets.path(name),
            now=self.clock(),
            parts=self.parts,
        )
        # a lone surrogate in stored text must not cost the page
        body = text.encode("utf-8", "replace")
        return Response(body, status, {"cache-control": "private, no-cache"}, "text/html")


def is_fragment(request: Request) -> bool:
    """Whether htmx asks, for a part of a page that is open."""
    return request.headers.get("hx-request") == "true"


def hex_id(request: Request, name: str, length: int) -> bytes:
    """An id of ``length`` bytes from the path. Raises ``HTTPException`` 404: what is no id names nothing."""
    text = request.path_params[name]
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != length or len(text) != 2 * length:
        raise HTTPException(404)
    return value
