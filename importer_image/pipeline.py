"""One import: open the source, find the format, decode into the target, finish.

Failures are raised where the user's text is known, get their context on the way, and are caught here and nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from importer_image.attempt import Attempt, Identity
from importer_image.errors import ImportFailure, Permanent, told_as
from importer_image.format import Image, Resumable, find_image
from importer_image.format.blank import Blank
from importer_image.job import IMPORT_COMPLETE, ErrorKind, Job, Report
from importer_image.log import log
from importer_image.progress import Progress
from importer_image.source import About, Disk, Source, about
from importer_image.source.open import connecting, open_source
from importer_image.target import Target, open_target

if TYPE_CHECKING:
    from importer_image.source.checksum import Checksum


CONTEXTS = {
    "raw": "Unable to transfer source data to target file",
    "blank": "Unable to create the blank disk",
}
CONVERTING = "Unable to convert source data to target format"
APPLYING = "Unable to apply delta to base image"


class Interrupted(BaseException):
    """The process was told to end."""


def run(job: Job, progress: Progress, environment: Mapping[str, str] = os.environ) -> Report:
    """Carry out a job; every way to fail is a report, too."""
    carry_out = unpack if job.content_type == "archive" else transfer
    try:
        return carry_out(job, progress, environment)
    except ImportFailure as failure:
        return failed(progress, failure.text, failure.kind, failure.hint)
    except Interrupted as interruption:
        return failed(progress, f"Unable to process data: interrupted by {interruption}", "transient")
    except Exception as error:
        import traceback

        traceback.print_exc()
        text = f"Unable to process data: internal error ({type(error).__name__}: {error})"
        return failed(progress, text, "transient", "This is a bug of the importer; its log says more.")


def transfer(job: Job, progress: Progress, environment: Mapping[str, str]) -> Report:
    with told_as("Unable to process data"):
        found = open_target(job.target, over_existing=job.source.is_delta)
    with closing(found) as target, opened_image(job, target, progress, environment) as opened:
        attempt = Attempt(target, opened.identity, progress)
        with left_in_order(target, attempt), told_as("Unable to process data"):
            size_bytes = decode(job, opened.image, target, attempt, progress)
            finish(target, size_bytes, progress)
        return done(
            job,
            progress,
            format=opened.image.name,
            virtual_size_bytes=size_bytes,
            preallocation_applied=target.preallocated,
            labels=dict(opened.about.labels),
            vddk_info=dict(opened.about.vddk_info),
        )


@dataclass(frozen=True)
class Opened:
    image: Image
    about: About
    """What else the source has to say."""
    identity: Identity
    """By what a later attempt knows that it has the same to do; empty where it has to start again anyway."""


@contextmanager
def opened_image(job: Job, target: Target, progress: Progress, environment: Mapping[str, str]) -> Iterator[Opened]:
    if job.source.kind == "blank":
        device = job.target.volume_mode == "Block"
        yield Opened(Blank(target.available_bytes if job.target.preallocate and device else 0), About(), {})
        return
    with opened_source(job, progress, environment) as outer:
        with progress.stage("inspect"), told_as("Unable to process data"):
            source, image = find_image(outer, job.source.previous_checkpoint)
        with closing(source):
            found = about(outer)
            resumable = isinstance(image, Resumable) and (isinstance(source, Disk) or source.ranged)
            yield Opened(image, found, identity_of(job, image, found.identity) if resumable else {})


def identity_of(job: Job, image: Image, source: str) -> Identity:
    """Empty for a source that cannot be recognised, and for a delta: that is small, and once more over it is right."""
    if not source or not image.virtual_bytes or job.source.is_delta:
        return {}
    wanted = job.target
    return {
        "source": source,
        "format": f"{image.name} {image.virtual_bytes}",
        "request": f"{job.owner_uid} {wanted.size_bytes} {wanted.overhead} {wanted.preallocate}",
    }


@contextmanager
def opened_source(job: Job, progress: Progress, environment: Mapping[str, str]) -> Iterator[Source | Disk]:
    with progress.stage("connect"), told_as(connecting(job.source)):
        source = connected(job, progress, environment)
    with closing(source):
        yield source


def connected(job: Job, progress: Progress, environment: Mapping[str, str]) -> Source | Disk:
    expected = expected_checksums(job)
    source = open_source(job.source, job.connections, environment, progress.came_in)
    progress.total_bytes = about(source).total_bytes
    if expected:
        from importer_image.source.checksum import Checked

        if isinstance(source, Disk):
            source.close()
            raise Permanent("a disk has no checksum: nothing of it is downloaded but what is allocated")
        source = Checked(source, expected)
    return source


def expected_checksums(job: Job) -> Sequence[Checksum]:
    if not job.source.checksum:
        return ()
    from importer_image.source.checksum import parse

    return parse(job.source.checksum)


def unpack(job: Job, progress: Progress, environment: Mapping[str, str]) -> Report:
    """The other content type: an archive into the directory that a filesystem volume is."""
    from importer_image.format import find_archive
    from importer_image.target.directory import Directory

    with told_as("Unable to process data"):
        refuse_as_archive(job)
        directory = Directory(job.target.path)
    with closing(directory), opened_source(job, progress, environment) as outer, told_as("Unable to process data"):
        if isinstance(outer, Disk):
            raise Permanent("a disk is not an archive")
        with progress.stage("inspect"):
            source, archive = find_archive(outer)
        with closing(source), told_as("Unable to transfer source data to target directory"):
            with progress.stage("transfer"), told_as("unable to untar files from endpoint"):
                log("importing", format=archive.name, target=directory.path)
                progress.format = archive.name
                for entry in progress.watched(archive.entries(), "fetch", "write"):
                    directory.put(entry)
                    progress.written_bytes = directory.written_bytes
            with progress.stage("sync"):
                directory.finish()
    log(f"Successfully completed fsync({directory.path}) syscall")
    progress.done()
    return done(job, progress, format=archive.name)


def refuse_as_archive(job: Job) -> None:
    if job.source.kind == "blank":
        raise Permanent("SourceType cannot be blank and the contentType be archive")
    if job.target.volume_mode == "Block":
        raise Permanent("ContentType Archive cannot have block volumeMode", "An archive needs a volume with files.")


def decode(job: Job, image: Image, target: Target, attempt: Attempt, progress: Progress) -> int:
    """Returns the size of the image's disk in bytes."""
    log("importing", format=image.name, virtual_bytes=image.virtual_bytes, target=target.path)
    progress.format, progress.virtual_bytes = image.name, image.virtual_bytes
    end = 0
    with progress.stage("transfer"), told_as(APPLYING if job.source.is_delta else CONTEXTS.get(image.name, CONVERTING)):
        covered = attempt.begin(image.virtual_bytes)
        rest = image.rest(covered) if covered and isinstance(image, Resumable) else image.extents()
        with closing(rest) as extents:
            for extent in progress.watched(extents, "fetch", "write"):
                target.write(extent)
                attempt.wrote(extent)
                progress.written_bytes = target.written_bytes
                end = max(end, extent.offset + extent.length)
        attempt.wait()
    return end if image.virtual_bytes is None else image.virtual_bytes


def finish(target: Target, size_bytes: int, progress: Progress) -> None:
    with progress.stage("sync"), told_as("Unable to resize disk image to requested size"):
        target.finish(size_bytes)
    progress.written_bytes = target.written_bytes
    log(f"Successfully completed fsync({target.path}) syscall")
    progress.done()


@contextmanager
def left_in_order(target: Target, attempt: Attempt) -> Iterator[None]:
    """After a failure there is something from which the next attempt goes on, or nothing to be taken for a disk."""
    try:
        yield
    except BaseException as failure:
        keep = failure.keeps_data if isinstance(failure, ImportFailure) else isinstance(failure, Interrupted)
        if not attempt.close(keep):
            try:
                target.discard()
            except ImportFailure as another:
                log("cannot discard what was written", error=another.text)
        raise


def done(job: Job, progress: Progress, **found: Any) -> Report:
    """`found`: what else the report tells."""
    return Report(
        message=IMPORT_COMPLETE,
        total_bytes=progress.total_bytes or 0,
        source_bytes=progress.source_bytes,
        resumed_bytes=progress.resumed_bytes,
        written_bytes=progress.written_bytes,
        checksum=job.source.checksum,
        stage_seconds=progress.rounded_stages(),
        **found,
    )


def failed(progress: Progress, text: str, kind: ErrorKind, hint: str = "") -> Report:
    return Report(
        message=text,
        error=kind,
        hint=hint,
        format=progress.format,
        virtual_size_bytes=progress.virtual_bytes or 0,
        total_bytes=progress.total_bytes or 0,
        source_bytes=progress.source_bytes,
        resumed_bytes=progress.resumed_bytes,
        written_bytes=progress.written_bytes,
        stage_seconds=progress.rounded_stages(),
    )
