#!/bin/sh
# autogen.sh: makes configure in a fresh checkout. Needs autoconf, automake, libtool, pkg-config.
set -e
cd "$(dirname "$0")"
mkdir -p build-aux
exec autoreconf --install --force --warnings=all,no-portability,no-obsolete "$@"
