"""VMDK in one file: compressed streams as exports write them, and sparse extents as hypervisors use them.

VMware publishes the format as "Virtual Disk Format 5.0"; where QEMU is stricter or more lenient than the text, we do as
QEMU does, because it is the parser of record. Words: an extent of a VMDK is a file (not an `Extent` of ours); its disk
is cut into grains; a grain directory names grain tables, whose entries name the grains, all as numbers of sectors.
"""
