# libbrood's loop: phases, queues, timers, what is off the loop, tasks.
noinst_LTLIBRARIES += src/runtime/libruntime.la
src_runtime_libruntime_la_SOURCES = \
	src/brood.h \
	src/runtime/child.c \
	src/runtime/context.c \
	src/runtime/context.h \
	src/runtime/ids.c \
	src/runtime/ids.h \
	src/runtime/immediates.c \
	src/runtime/immediates.h \
	src/runtime/jobs.c \
	src/runtime/jobs.h \
	src/runtime/join.c \
	src/runtime/join.h \
	src/runtime/loop.c \
	src/runtime/loop.h \
	src/runtime/offload.c \
	src/runtime/offload.h \
	src/runtime/port.c \
	src/runtime/port.h \
	src/runtime/stack.c \
	src/runtime/stack.h \
	src/runtime/task.c \
	src/runtime/task.h \
	src/runtime/thread.c \
	src/runtime/timers.c \
	src/runtime/timers.h \
	src/runtime/wait.c
RUNTIME_LIBS = src/runtime/libruntime.la $(BASE_LIBS) $(UV_LIBS)
