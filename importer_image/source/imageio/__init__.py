"""Disks of oVirt: the engine hands out a ticket for one, the imageio daemon on a host serves its bytes (spec 5.3).

engine: the REST API. transfer: a ticket's life. server: what the daemon says about a disk. disk: all of it as a source.

No library does this for us. The engine's SDK for Python needs libxml2 and libcurl for five small requests. The client
of ovirt-imageio (2.5.1) has to be compiled for each Python, writes with a copy loop of its own into files and NBD
servers, takes no proxy, and does not try again. The bytes come over plain ranged HTTP, which `source.http` reads in
parallel, within bounded memory, and going on where it broke. So nothing is added to the image.
"""
