"""How the driver says no: a gRPC status code that the CSI specification names for the case, and a sentence.

Raised where the sentence is known, turned into an answer in `rpc.py` only.
"""

from grpc import StatusCode


class CsiError(Exception):
    """A request that cannot be fulfilled; `code` tells Kubernetes whether to try again, `text` tells the user why."""

    def __init__(self, code: StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def invalid(text: str) -> CsiError:
    return CsiError(StatusCode.INVALID_ARGUMENT, text)


def not_found(text: str) -> CsiError:
    return CsiError(StatusCode.NOT_FOUND, text)


def already_exists(text: str) -> CsiError:
    return CsiError(StatusCode.ALREADY_EXISTS, text)


def not_now(text: str) -> CsiError:
    return CsiError(StatusCode.FAILED_PRECONDITION, text)


def out_of_range(text: str) -> CsiError:
    return CsiError(StatusCode.OUT_OF_RANGE, text)


def exhausted(text: str) -> CsiError:
    return CsiError(StatusCode.RESOURCE_EXHAUSTED, text)


def aborted(text: str) -> CsiError:
    return CsiError(StatusCode.ABORTED, text)


def unimplemented(text: str) -> CsiError:
    return CsiError(StatusCode.UNIMPLEMENTED, text)
