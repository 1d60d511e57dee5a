# libbrood's worker: channel, wait set, listeners, accepting, drain, beats, messages.
noinst_LTLIBRARIES += src/worker/libworker.la
src_worker_libworker_la_SOURCES = \
	src/worker/accept.c \
	src/worker/channel.c \
	src/worker/channel.h \
	src/worker/control.c \
	src/worker/control.h \
	src/worker/dispatch.c \
	src/worker/listeners.c \
	src/worker/listeners.h \
	src/worker/notify.c \
	src/worker/notify.h \
	src/worker/report.c \
	src/worker/report.h \
	src/worker/ring.c \
	src/worker/ring.h \
	src/worker/tell.c \
	src/worker/worker.c \
	src/worker/worker.h
WORKER_LIBS = src/worker/libworker.la src/runtime/libruntime.la $(IPC_LIBS) $(UV_LIBS)

# brood_serve() knows http, too.
noinst_LTLIBRARIES += src/worker/libservice.la
src_worker_libservice_la_SOURCES = src/worker/service.c
SERVICE_LIBS = src/worker/libservice.la src/worker/libworker.la src/http/libhttp.la \
	src/runtime/libruntime.la $(IPC_LIBS) $(UV_LIBS)
