"""What becomes of an image here and at QEMU, and whether that is as it should be."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from importer_image.errors import ImportFailure
from importer_image.format import find_image
from tests.fuzz.canvas import DISK_BYTES, Canvas, Misplaced
from tests.fuzz.limits import TooLong, TooMuch, limited
from tests.fuzz.oracle import Answer, read_by
from tests.fuzz.reasons import lenient
from tests.unit.importer.sliced import Sliced

VIEW_BYTES = 256 << 10
COMPARED_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Ours:
    """Exactly one of `refusal` and `canvas`, or else it is a finding."""

    form: str = ""
    refusal: str = ""
    canvas: Canvas | None = None
    finding: str = ""


@dataclass(frozen=True)
class Verdict:
    """`outcome` is one of OUTCOMES; `cause` says why, without what differs from image to image."""

    outcome: str
    cause: str = ""


SAME, BOTH_REFUSE, STRICTER, LENIENT, NOT_COMPARED, FOUND = (
    "same bytes",
    "both refuse",
    "only QEMU reads it",
    "only we read it",
    "too large to compare",
    "found",
)
OUTCOMES = (SAME, BOTH_REFUSE, STRICTER, LENIENT, NOT_COMPARED, FOUND)


def judged(form: str, content: bytes, home: Path) -> Verdict:
    """`form`: of the seed; what it is now we have to tell. `home`: a directory for what the oracle reads and writes."""
    ways = [ours(content, ranged) for ranged in (True, False)]
    try:
        for one in ways:
            if one.finding:
                return Verdict(FOUND, one.finding)
        canvases = [one.canvas for one in ways if one.canvas]
        if len(canvases) == 2 and not _same(canvases[0].read, canvases[1].read, canvases[0].size, canvases[1].size):
            return Verdict(FOUND, "by range and as a stream it is not the same disk")
        return _compared(form, ways, content, home)
    finally:
        for one in ways:
            if one.canvas:
                one.canvas.close()


def ours(content: bytes, ranged: bool) -> Ours:
    """Whatever is raised that is no ImportFailure is a finding."""
    canvas = Canvas()
    name = ""
    try:
        with limited():
            source, image = find_image(Sliced(content, (VIEW_BYTES,), ranged))
            name = image.name
            with closing(source), closing(image.extents()) as extents:
                canvas.begin(image.virtual_bytes)
                for extent in extents:
                    canvas.write(extent)
            canvas.finish(canvas.end if image.virtual_bytes is None else image.virtual_bytes)
            name = image.name
    except ImportFailure as failure:
        canvas.close()
        if failure.kind != "permanent" or not failure.text.isprintable():
            return Ours(name, finding=f"refused in a wrong way, {failure.kind}: {_general(failure.text)!r}")
        return Ours(name, failure.text)
    except (TooLong, TooMuch, Misplaced) as problem:
        canvas.close()
        return Ours(name, finding=str(problem))
    except Exception as error:
        canvas.close()
        return Ours(name, finding=f"internal error {type(error).__name__} in {_origin(error)}: {_general(str(error))}")
    return Ours(name, canvas=canvas)


def _compared(form: str, ways: list[Ours], content: bytes, home: Path) -> Verdict:
    accepted = next((one for one in ways if one.canvas), None)
    if accepted is None or accepted.canvas is None:
        answer = read_by(form, content, home)
        refusal = _general(ways[0].refusal)
        return Verdict(STRICTER if answer.accepted else BOTH_REFUSE, f"{form}: {refusal}")
    canvas = accepted.canvas
    if canvas.size > DISK_BYTES:
        return Verdict(NOT_COMPARED)
    found_form = accepted.form.rpartition(".")[2]
    if found_form == "raw":
        return _verdict_of(canvas, _as_it_is(content), form)
    if found_form == "vpc" and not content.startswith(b"conectix"):
        return _verdict_of(canvas, _as_it_is(content[:-512]), form)
    return _verdict_of(canvas, read_by(found_form, content, home), found_form)


def _as_it_is(content: bytes) -> Answer:
    """A raw disk. Also what precedes the footer of a fixed VHD, of which QEMU reads as much as its geometry says: that
    of Virtual PC was rounded down, and where the file ends nothing follows."""
    return Answer(True, "", lambda at, length: content[at : at + length].ljust(length, b"\0"), len(content))


def _verdict_of(canvas: Canvas, theirs: Answer, form: str) -> Verdict:
    if theirs.accepted:
        if _same(canvas.read, theirs.read, canvas.size, theirs.size):
            return Verdict(SAME)
        return Verdict(FOUND, f"{form}: not the disk that QEMU reads ({canvas.size} bytes, QEMU has {theirs.size})")
    cause = _general(theirs.text)
    why = lenient(form, cause)
    return Verdict(LENIENT, f"{form}: {why}") if why else Verdict(FOUND, f"{form}: QEMU refuses it: {cause}")


Read = Callable[[int, int], bytes]


def _same(one: Read, other: Read, size: int, other_size: int) -> bool:
    """Up to what fills the last sector with zeros."""
    if -(-size // 512) != -(-other_size // 512):
        return False
    for offset in range(0, size, COMPARED_AT_ONCE):
        length = min(COMPARED_AT_ONCE, size - offset)
        if one(offset, length) != other(offset, length):
            return False
    return True


def _general(text: str) -> str:
    """Without numbers and paths, so that causes can be counted."""
    text = re.sub(r"\bat (line )?\S+/\S+", "at PATH", text.strip())
    text = re.sub(r"'(json:)?/[^']*'", "IMAGE", text)
    return re.sub(r"(0x)?\b[0-9a-f]*\d[0-9a-f]*\b", "N", text)[:160]


def _origin(error: BaseException) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else "?"
