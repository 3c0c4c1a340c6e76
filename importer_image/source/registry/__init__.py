"""Disk images inside container images: from a registry (docker://) or from an archive on this machine (oci-archive:).

A container image is a manifest that names layers, each a tar of files. The disk is the first file below disk/ of the
first layer that has one. Of all that only the manifest, the layers up to that one and the file itself travel: a layer
that is not compressed is read by range, header by header, one that is compressed is streamed until the file is through.

    reference, manifest, labels, challenge, tar     pure: what names, documents and headers say
    digest, logins                                  what bytes and users are known by
    remote, archive                                 where documents and layers come from: two stores
    tape, layer                                     from a layer to the file in it
    image                                           the whole as a sentence

What is verified: a manifest that was asked for by its digest, and the image's configuration, always. A layer, whenever
all of it passes anyway, which it does unless other files follow the disk: then the disk is through before the layer is,
and the rest is left where it is. Of an uncompressed layer only the parts that an image format asks for travel, so there
is nothing to compare with its digest, except for a raw disk, which is read whole.
"""
