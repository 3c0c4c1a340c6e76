"""Logs as events with fields: one JSON document a line on standard error, ours and those of the libraries alike."""

from __future__ import annotations

import logging
import sys

import structlog

LEVELS = {0: logging.WARNING, 1: logging.INFO, 2: logging.INFO}
"""By the verbosity that CDI's users know; from 3 on everything."""
QUIET = ("aiohttp.access", "asyncio", "kopf", "kubernetes", "urllib3")
"""Libraries that tell of every step they take: only their warnings."""


def configure(verbosity: int) -> None:
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.EventRenamer("message"),
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], force=True)
    set_verbosity(verbosity)


def set_verbosity(verbosity: int) -> None:
    """How much is told from now on."""
    level = LEVELS.get(verbosity, logging.DEBUG)
    logging.getLogger().setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
