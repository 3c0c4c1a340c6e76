"""A disk of VMware, read through the user's own VMware library (VDDK), whole or only what has changed (spec 5.3).

The library is VMware's: users bring it in an image of their own, and it is found in /opt/vmware-vix-disklib-distrib.
It is driven by nbdkit's vddk plugin and not bound here, for three reasons. Upkeep: that plugin knows the ways of ten
years of the library, which logs, locks and brings its own libcrypto in ways of its own. Safety: what crashes is a child
that is started again, and not the importer. And who tests with this project replaces the library by a plugin of nbdkit
(spec 5.4). It costs one copy of the data over a Unix socket, 0.5 s of processor a gigabyte; the library gives 0.1 to
0.5 GB/s.

Debian has nbdkit without this plugin, and linked to GnuTLS and SELinux. So both are built from Debian's source without
what a socket of our own does not need: 0.2 MB instead of 8 (oci/nbdkit.sh).

    vsphere       which machine, snapshot and disk; what has changed: asked of vCenter or ESXi, before anything is read
    inventory     pure: finding the disk and the snapshot in what they answer
    command       pure: the command line of nbdkit
    debug_log     pure: what nbdkit and the library say
    nbdkit        the child process
    disk          all of it together, as a source
"""
