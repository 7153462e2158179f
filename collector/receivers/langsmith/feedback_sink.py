"""Where feedback goes that comes along with runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from threading import Lock
from typing import Any, Final

import structlog

from collector.annotations import Annotation
from collector.receivers.langsmith.feedback import FeedbackFault, feedback_annotation
from collector.storage.annotations_api import AnnotationStore

#: Of one transaction, so that spans which wait are not kept waiting.
AT_ONCE: Final = 500

log = structlog.get_logger("collector.receivers.langsmith")


class FeedbackSink:
    def __init__(self, store: AnnotationStore) -> None:
        self._store = store

    def put_feedback(self, given: Sequence[Mapping[str, Any]]) -> Future[None]:
        """Resolves when all is committed. What cannot be understood is left out, and said in the log."""
        annotations = []
        for body in given:
            try:
                annotations.append(feedback_annotation(body))
            except FeedbackFault as fault:
                log.warning("feedback was refused", reason=str(fault))
        parts = [annotations[start : start + AT_ONCE] for start in range(0, len(annotations), AT_ONCE)]
        return _all([self._store.put_annotations(part) for part in parts])


def _all(futures: Sequence[Future[list[Annotation]]]) -> Future[None]:
    """Resolves after the last of them, with the error of the first that has one."""
    together: Future[None] = Future()
    together.set_running_or_notify_cancel()
    lock, left = Lock(), len(futures)

    def done(_future: Future[list[Annotation]]) -> None:
        nonlocal left
        with lock:
            left -= 1
            if left:
                return
        error = next((found for future in futures if (found := future.exception())), None)
        if error is None:
            together.set_result(None)
        else:
            together.set_exception(error)

    for future in futures:
        future.add_done_callback(done)
    if not futures:
        together.set_result(None)
    return together
