"""The zstd of the standard library, which it has only since Python 3.14."""

import sys

if sys.version_info >= (3, 14):
    from compression.zstd import DecompressionParameter, ZstdDecompressor
else:
    from backports.zstd import DecompressionParameter, ZstdDecompressor

__all__ = ["limited_decompressor"]


def limited_decompressor(window_log_limit: int) -> ZstdDecompressor:
    """For one frame, which may look back at most 2 ** window_log_limit bytes."""
    return ZstdDecompressor(options={int(DecompressionParameter.window_log_max): window_log_limit})
