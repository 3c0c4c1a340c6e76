"""Our decoders against QEMU's, on images that nobody would write: `make fuzz SECONDS=600`.

A seed is a small good image; a few of its bytes are changed, mostly those that mean something; both read what came of
it. Ours has to end with the bytes that qemu-img reads, or with one line that says why not, soon and in little memory.
What ends otherwise is a finding: a file, the command that repeats it, and in time a row in a table of the tests.
"""
