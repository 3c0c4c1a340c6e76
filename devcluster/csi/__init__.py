"""Storage of the dev cluster: a CSI driver and a plain provisioner of our own, because no registry offers one.

The README of this directory says what it promises to the cluster; `python -m devcluster.csi --help` lists the commands.
"""
