#!/bin/sh
# Why: a read-only root cannot keep byte code, and a worker's start is time that every import pays. So it is compiled
# here, once, for the standard library and all packages; and a library that the image lacks is found out now instead of
# in a user's cluster.
#
#   compile.sh DIRECTORY
set -eu

root=$1
# Wheels carry debug information (zstandard: 22 MB of 24), and command line tools that nobody can call here.
find "$root/usr/lib/python3/dist-packages" -name '*.so*' -type f -exec strip --strip-unneeded {} +
rm -rf "$root/usr/lib/python3/dist-packages/bin"

# unchecked-hash: valid whatever the times of the files are, so that the same sources give the same image.
chroot "$root" /usr/bin/python3 -m compileall -q --invalidation-mode unchecked-hash /usr/lib

loader=$(cd "$root" && ls -d lib*/ld-linux-*.so.*)
missing=$(cd "$root" && find . -name '*.so*' -type f | while read -r library; do
    chroot "$root" "/$loader" --list "/$library" 2>/dev/null | grep 'not found' | sed "s|^|$library:|"
done)
if [ -n "$missing" ]; then
    echo "the image lacks shared libraries; name their packages in the Containerfile:" >&2
    echo "$missing" >&2
    exit 1
fi
