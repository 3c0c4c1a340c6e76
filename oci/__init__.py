"""Builds our container images: from the same Containerfiles with docker, podman or, where no engine runs, buildah.

`python -m oci` leaves each image as an archive in the cache directory of the user. An image is named by the content
that it was built from, so what did not change is not built again, and what did is never mistaken for its predecessor.
"""
