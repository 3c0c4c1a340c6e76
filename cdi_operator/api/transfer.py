"""How a transfer goes: `status.transfer` of a DataVolume. The reference has nothing like it; its clients ignore it."""

from __future__ import annotations

from pydantic import Field

from cdi_operator.api.model import Int32, Int64, Model


class TransferStatus(Model):
    """What is happening, how fast, until when, and why not."""

    message: str | None = None
    """What is going on now, or why nothing is, in a sentence; of an error, what the worker said."""
    hint: str | None = None
    """What can be done about the error in the message."""
    error: str | None = None
    """Kind of the error in the message. Transient: it is tried again, which may help. Permanent: it is tried again,
    too, but that will not help until the source, the volume or the request is changed."""
    stage: str | None = None
    """What the worker is doing: start, connect, inspect, transfer, sync, and done when it has ended well; queued before
    there is one."""
    format: str | None = None
    """Format of the image, such as raw or qcow2, with what it is compressed by: raw.gz."""
    source_bytes: Int64 | None = None
    """How much of the source has come. Does not fall when an attempt begins again, only when the source changes."""
    total_bytes: Int64 | None = None
    """Size of the source, where it says so. Of a disk image that is not full, not all of it needs to come."""
    resumed_bytes: Int64 | None = None
    """How much of sourceBytes came in earlier attempts and did not have to come again."""
    written_bytes: Int64 | None = None
    """How much has been written to the volume; zeros mostly need not be."""
    virtual_size_bytes: Int64 | None = None
    """Size of the disk in the image."""
    speed: str | None = None
    """Of the last seconds, for people: 12.3 MB/s. Not there while nothing moves."""
    speed_bytes_per_second: Int64 | None = None
    """Of the last seconds."""
    average_speed_bytes_per_second: Int64 | None = None
    """Since the attempt began; of an attempt that has ended, while data moved."""
    eta: str | None = None
    """How long it will take until the last byte has come, for people: 3m20s."""
    eta_seconds: Int64 | None = None
    """How long it will take until the last byte has come, at the present speed."""
    stage_seconds: dict[str, str] = Field(default_factory=dict)
    """How many seconds the last attempt that has ended spent in each stage, with two decimals; fetch and write are the
    shares of transfer in which it waited for the source and for the volume."""
    queue_position: Int32 | None = None
    """Place in the queue of transfers that wait for their turn, from 1. Counted now and then, not at every change."""
