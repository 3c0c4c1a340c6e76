#!/bin/sh
# Why: the last step of both images: our own code gets its byte code and its commands, and is imported once as the image
# will do it, so that a package missing from the lock file fails the build.
#
#   entry.sh DIRECTORY COMMAND MODULE      /usr/bin/COMMAND calls main() of MODULE
set -eu

root=$1
command=$2
module=$3

cat > "$root/usr/bin/$command" <<ENTRY
#!/usr/bin/python3 -I
import sys

from $module import main

sys.exit(main())
ENTRY
chmod 755 "$root/usr/bin/$command"

chroot "$root" /usr/bin/python3 -m compileall -q --invalidation-mode unchecked-hash \
    "/usr/lib/python3/dist-packages/${module%%.*}"
chroot "$root" /usr/bin/python3 -I -c "import ssl, $module"
