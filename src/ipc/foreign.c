/*
 * foreign: see the header. What is only a wish of the operator's (NODE_ENV, WEB_CONCURRENCY) is not
 * in here.
 */
#include "ipc/foreign.h"

#include <string.h>

static const char *const names[] = {
    /* Node's cluster, and PM2 */
    "NODE_CHANNEL_FD",
    "NODE_CHANNEL_SERIALIZATION_MODE",
    "NODE_UNIQUE_ID",
    "NODE_APP_INSTANCE",
    "pm_id",
    "pm_exec_path",
    "pm_cwd",
    "pm_uptime",
    "pm_out_log_path",
    "pm_err_log_path",
    "pm_pid_path",
    "exec_mode",
    "unique_id",
    "restart_time",
    /* sockets that a program of that kind hands to its successor */
    "UNICORN_FD",
    "GUNICORN_FD",
    "GUNICORN_PID",
    "NGINX",
};

static const char *const prefixes[] = {
    "EINHORN_",
    "SERVER_STARTER_",
    "PUMA_INHERIT_",
};

bool
foreign_is_variable(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return true;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
		if (len > strlen(prefixes[i]) &&
		    memcmp(prefixes[i], name, strlen(prefixes[i])) == 0)
			return true;
	return false;
}
