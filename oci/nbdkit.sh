#!/bin/sh
# Why: a disk of VMware is read through nbdkit's vddk plugin, which Debian's nbdkit comes without; and Debian's links to
# GnuTLS and SELinux, for which a Unix socket of our own has no use: 8 MB that would be in every worker's image. So the
# server and the plugin are built here from Debian's source: 0.2 MB that need nothing but the C library. In half a minute,
# by the build of the image and by the tests, which run what users run.
#
#   nbdkit.sh DIRECTORY PREFIX      installs into DIRECTORY what will be found at PREFIX (the same, or / before it)
#
# Needs binutils, gcc, libc6-dev, make and pkgconf; the source is that of Debian 13, whatever this machine is, with the
# newest of its fixes.
set -eu

directory=$1
prefix=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# The archives that this machine uses, as archives of source. apt-get verifies what it brings.
apt-get update -qq
keys=/usr/share/keyrings/debian-archive-keyring.gpg
apt-get indextargets --format "deb-src [signed-by=$keys] \$(REPO_URI) trixie main" 'Created-By: Packages' \
    'Label: Debian' | sort -u > sources.list
mkdir -p lists/partial
set -- -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=- -o "Dir::State::Lists=$work/lists" \
    -o APT::Sandbox::User=root
apt-get update -qq "$@"
apt-get source -qq --download-only "$@" nbdkit
mkdir nbdkit
tar -xf nbdkit_*.orig.tar.* --strip-components=1 -C nbdkit
cd nbdkit

./configure --quiet --prefix="$prefix" --sbindir="$prefix/bin" --disable-static --disable-dependency-tracking \
    --without-gnutls --without-selinux --without-manpages --without-bash-completions --disable-libguestfs-tests \
    --disable-perl --disable-python --disable-ocaml --disable-rust --disable-tcl --disable-lua --disable-golang \
    --disable-linuxdisk --disable-torrent --without-libblkio --without-curl --without-ssh --without-iso \
    --without-libvirt --without-bzip2 --without-zlib --without-liblzma --without-libzstd --without-libguestfs \
    --without-ext2 --without-libnbd --enable-vddk > configure.log 2>&1 || { cat configure.log >&2; exit 1; }
for part in include common/include common/protocol common/replacements common/utils; do
    make --silent -C "$part" -j2 > make.log 2>&1 || { cat make.log >&2; exit 1; }
done
for part in server plugins/vddk; do
    make --silent -C "$part" -j2 install DESTDIR="$work/root" > make.log 2>&1 || { cat make.log >&2; exit 1; }
done
cd "$work/root$prefix"
strip bin/nbdkit lib/nbdkit/plugins/*.so
mkdir -p "$directory/bin" "$directory/lib/nbdkit/plugins" "$directory/share/doc/nbdkit"
cp bin/nbdkit "$directory/bin/"
cp lib/nbdkit/plugins/*.so "$directory/lib/nbdkit/plugins/"
cp "$work/nbdkit/LICENSE" "$directory/share/doc/nbdkit/copyright"
