# core: all decisions. No system call, no libuv, no clock.
noinst_LTLIBRARIES += src/core/libcore.la
src_core_libcore_la_SOURCES = \
	src/core/action.h src/core/actions.c \
	src/core/app.c \
	src/core/backoff.c src/core/backoff.h \
	src/core/cluster.h \
	src/core/core.c src/core/core.h \
	src/core/event.h \
	src/core/generation.c \
	src/core/internal.h \
	src/core/invariant.c \
	src/core/leave.c \
	src/core/names.c src/core/state.h \
	src/core/request.c \
	src/core/rollout.c \
	src/core/shutdown.c \
	src/core/slot.c \
	src/core/spare.c \
	src/core/stall.c \
	src/core/steer.c \
	src/core/timer.c src/core/timer.h \
	src/core/worker.c
