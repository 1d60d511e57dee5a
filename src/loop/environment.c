/*
 * environment: see the header.
 */
#include "loop/environment.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ipc/foreign.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* A clean environment takes these from the master's own. */
static const char *const kept_names[] = {
    "PATH",
    "HOME",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TERM",
    "USER",
    "LOGNAME",
    "SHELL",
    "TMPDIR",
};

/* Meant for the master, or made anew for each worker: a value from outside would be a lie. */
static const char *const reserved_names[] = {
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "LISTEN_PIDFDID",
    "MAINPID",
    "NODE_CHANNEL_FD",
    "NODE_CHANNEL_SERIALIZATION_MODE",
    "NODE_UNIQUE_ID",
};

void
environment_done(struct environment *env)
{
	for (size_t i = 0; i < env->len; i++)
		mem_free(env->vars[i]);
	mem_free(env->vars);
	*env = (struct environment){0};
}

static char **
find(const struct environment *env, const char *name, size_t name_len)
{
	for (size_t i = 0; i < env->len; i++)
		if (strncmp(env->vars[i], name, name_len) == 0 && env->vars[i][name_len] == '=')
			return &env->vars[i];
	return NULL;
}

const char *
environment_get(const struct environment *env, const char *name)
{
	char **at = find(env, name, strlen(name));

	return at ? *at + strlen(name) + 1 : NULL;
}

static bool
grow(struct environment *env)
{
	size_t cap = env->cap ? env->cap * 2 : 32;
	char **vars;

	if (env->len + 1 < env->cap)
		return true;
	vars = mem_realloc(env->vars, cap * sizeof(*vars));
	if (!vars)
		return false;
	env->vars = vars;
	env->cap = cap;
	return true;
}

void
environment_set(struct environment *env, const char *name, const char *value)
{
	struct str var = {0};
	char **at;

	str_addf(&var, "%s=%s", name, value);
	if (str_failed(&var) || !var.data || !grow(env)) {
		env->failed = true;
		str_free(&var);
		return;
	}
	at = find(env, name, strlen(name));
	if (at) {
		mem_free(*at);
		*at = var.data;
	} else {
		env->vars[env->len++] = var.data;
		env->vars[env->len] = NULL;
	}
}

static bool
is_in(const char *name, size_t len, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return true;
	return false;
}

static bool
is_reserved(const char *name, size_t len)
{
	return is_in(name, len, reserved_names, sizeof(reserved_names) / sizeof(*reserved_names)) ||
	       (len > 6 && memcmp(name, "BROOD_", 6) == 0);
}

bool
environment_is_reserved(const char *name)
{
	return is_reserved(name, strlen(name));
}

static bool
is_kept(const char *name, size_t len)
{
	return is_in(name, len, kept_names, sizeof(kept_names) / sizeof(*kept_names)) ||
	       (len > 3 && memcmp(name, "LC_", 3) == 0);
}

static const char *
environ_value(char *const *from, const char *name)
{
	for (; from && *from; from++)
		if (strncmp(*from, name, strlen(name)) == 0 && (*from)[strlen(name)] == '=')
			return *from + strlen(name) + 1;
	return NULL;
}

static void
copy_from(struct environment *env, char *const *from, bool all)
{
	for (; from && *from; from++) {
		const char *eq = strchr(*from, '=');
		size_t len = eq ? (size_t)(eq - *from) : 0;
		char name[256];

		if (len == 0 || len >= sizeof(name) || is_reserved(*from, len) ||
		    foreign_is_variable(*from, len))
			continue;
		if (!all && !is_kept(*from, len))
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)len, *from);
		environment_set(env, name, eq + 1);
	}
}

int
environment_make(const struct conf_app *conf, char *const *from, const struct cred_user *user,
    struct environment *ret)
{
	struct environment env = {0};

	copy_from(&env, from, conf->inherit_env);
	if (conf->compat == COMPAT_PM2 && environ_value(from, "PM2_HOME"))
		environment_set(&env, "PM2_HOME", environ_value(from, "PM2_HOME"));
	if (!environment_get(&env, "PATH"))
		environment_set(&env, "PATH", DEFAULT_PATH);
	if (user) {
		if (user->home)
			environment_set(&env, "HOME", user->home);
		if (user->shell)
			environment_set(&env, "SHELL", user->shell);
		if (user->name) {
			environment_set(&env, "USER", user->name);
			environment_set(&env, "LOGNAME", user->name);
		}
	}
	for (size_t i = 0; i < conf->env_len; i++)
		if (!environment_is_reserved(conf->env[i].name))
			environment_set(&env, conf->env[i].name, conf->env[i].value);
	if (env.failed) {
		environment_done(&env);
		return -ENOMEM;
	}
	*ret = env;
	return 0;
}
