#!/bin/sh
# Why: a worker pod lives for seconds and an operator is read by security scanners, so both images hold Python, the
# libraries it loads and nothing else: no shell, no package manager, no compiler. This script, run in a throw-away
# build stage of Debian, unpacks exactly the named packages into a directory that becomes the image.
#
#   rootfs.sh DIRECTORY PACKAGE...
set -eu

root=$1
shift
work=$(mktemp -d)
cd "$work"
apt-get update -qq
# base-files first: it brings the links /bin -> /usr/bin and so on, into which the others unpack.
apt-get download -qq base-files "$@"
mkdir -p "$root"
for deb in base-files_*.deb $(ls ./*.deb | grep -v '^./base-files_'); do
    dpkg -x "$deb" "$root"
    # What a vulnerability scanner reads where there is no dpkg database.
    mkdir -p "$root/var/lib/dpkg/status.d"
    dpkg-deb -f "$deb" > "$root/var/lib/dpkg/status.d/$(dpkg-deb -f "$deb" Package)"
done
rm -rf "$work"

cd "$root"
# The licences stay; manuals, translations and character sets that Python does not use go.
find usr/share/doc -type f ! -name copyright -delete
find usr/share/doc -type d -empty -delete
rm -rf usr/share/man usr/share/locale usr/share/lintian usr/share/bug usr/share/info usr/share/python3 \
    usr/share/applications usr/share/pixmaps usr/share/debhelper usr/lib/*/gconv usr/sbin/* etc/init.d var/cache/*
# Parts of the standard library that need a terminal or a database, and those for developers.
rm -f usr/lib/python3.*/lib-dynload/_sqlite3.* usr/lib/python3.*/lib-dynload/readline.* \
    usr/lib/python3.*/lib-dynload/_curses* usr/lib/python3.*/lib-dynload/_dbm.* usr/lib/python3.*/lib-dynload/*test*
rm -rf usr/lib/python3.*/sqlite3 usr/lib/python3.*/pydoc_data usr/lib/python3.*/test

# The files that the packages' own install scripts would have written.
mkdir -p etc/ssl/certs tmp
chmod 1777 tmp
if [ -d usr/share/ca-certificates ]; then
    cat usr/share/ca-certificates/mozilla/*.crt > etc/ssl/certs/ca-certificates.crt
fi
cat > etc/passwd <<'PASSWD'
root:x:0:0:root:/:/sbin/nologin
cdi:x:1001:1001:cdi:/:/sbin/nologin
nobody:x:65534:65534:nobody:/:/sbin/nologin
PASSWD
cat > etc/group <<'GROUP'
root:x:0:
cdi:x:1001:
nogroup:x:65534:
GROUP
printf 'hosts: files dns\n' > etc/nsswitch.conf
