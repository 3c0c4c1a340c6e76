"""VHDX, Hyper-V's format: where its regions are, what the disk is, and the order in which to read them, each a module.

The format is [MS-VHDX]; where QEMU is stricter or more lenient than the text, we do as QEMU does, except that disks of
sectors of 4 KiB have their right size here. Changes that are only in the log are not carried out but refused.
"""
