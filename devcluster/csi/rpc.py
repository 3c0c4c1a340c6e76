"""Around every call: one log line, and every failure turned into a gRPC status here and nowhere else."""

import errno
import logging
import time
from collections.abc import Callable
from typing import Any

import grpc

from devcluster.csi.errors import CsiError
from devcluster.errors import DevclusterError

log = logging.getLogger(__name__)


class Calls(grpc.ServerInterceptor):
    """Logs each call with its time and answers its failure with the status that fits."""

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        handler = continuation(details)
        if handler is None or handler.unary_unary is None:
            return handler
        method = details.method.rsplit("/", 1)[-1]

        def call(request: Any, context: Any) -> Any:
            started = time.monotonic()
            code, text = grpc.StatusCode.OK, ""
            try:
                return handler.unary_unary(request, context)
            except Exception as error:
                code, text = _status_of(error)
                context.abort(code, text)
            finally:
                subject = next(
                    (getattr(request, f) for f in ("volume_id", "snapshot_id", "name") if hasattr(request, f)), ""
                )
                took_ms = (time.monotonic() - started) * 1000
                level = logging.INFO if code is grpc.StatusCode.OK else logging.WARNING
                log.log(level, "%s %s %s %.0fms %s", method, subject or "-", code.name, took_ms, text)

        return grpc.unary_unary_rpc_method_handler(
            call, request_deserializer=handler.request_deserializer, response_serializer=handler.response_serializer
        )


def _status_of(error: Exception) -> tuple[grpc.StatusCode, str]:
    match error:
        case CsiError():
            return error.code, error.text
        case DevclusterError():
            return grpc.StatusCode.INTERNAL, str(error)
        case OSError(errno=errno.ENOSPC):
            return grpc.StatusCode.RESOURCE_EXHAUSTED, "no space left in the pool of the volumes"
        case _:
            log.error("unexpected failure", exc_info=error)
            return grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}"
