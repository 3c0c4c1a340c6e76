"""A disk behind the NBD protocol, on a socket of this machine: which parts of it are allocated, and their bytes.

A client of our own, because all that is needed of the protocol is small (read, block status) and libnbd is not: it is
no Python package, and Debian's brings GnuTLS and libxml2 along for a socket that nobody else can reach. Reading is
what it is for: one connection, several requests in flight, and the kernel copies every byte straight into the
buffer from which the target writes it.

    protocol      pure: messages to bytes, bytes to messages
    connection    the handshake, and block status
    reader        ranges, several at once, in order
"""
