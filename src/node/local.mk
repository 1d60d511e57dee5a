# What is loaded into Node workers; not compiled. In the build directory it has the name that it is
# installed by, so that a master that is not installed finds it there.
nodepreloaddir = $(pkglibexecdir)
nodist_nodepreload_DATA = node-preload.cjs
node-preload.cjs: src/node/preload.cjs
	$(AM_V_GEN)rm -f $@; cp $(srcdir)/src/node/preload.cjs $@
EXTRA_DIST += src/node/preload.cjs
CLEANFILES += node-preload.cjs
