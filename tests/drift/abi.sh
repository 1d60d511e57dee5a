#!/bin/sh
# abi.sh HEADER: what a program that was built against libbrood relies on: the functions with their
# types, and on x86-64 where each member of its structs is. tests/drift/libbrood.abi has what was
# released; after a change that is meant, with the version in src/local.mk gone up as libtool's
# manual says:
#
#	CLANG=clang sh tests/drift/abi.sh src/brood.h > tests/drift/libbrood.abi
set -eu

# One declaration a line.
"$CLANG" -E -P "$1" | tr '\n\t' '  ' | tr -s ' ' | tr ';' '\n' |
	grep -o '[A-Za-z_][A-Za-z_0-9 ]*[ *]brood_[a-z0-9_]*(.*)' | sed 's/^ *//' | LC_ALL=C sort
# Offsets and sizes, in bytes.
"$CLANG" -target x86_64-linux-gnu -fsyntax-only -x c -Xclang -fdump-record-layouts-complete "$1" |
	awk '/Dumping AST Record Layout/ {getline; ours = /struct brood_/} ours && NF' |
	sed 's/ *$//'
