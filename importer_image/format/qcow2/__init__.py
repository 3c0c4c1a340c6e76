"""qcow2, versions 2 and 3: header, tables and the order in which to read them, each a module of its own.

The format is specified in docs/interop/qcow2 of QEMU; where QEMU is stricter or more lenient than the text, we do as
QEMU does, because it is the parser of record.
"""
