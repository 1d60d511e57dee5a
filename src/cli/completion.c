/*
 * completion: the same table in three languages. What exists only while a master runs (apps,
 * slots, instances) is asked for by `brood __complete` when the user presses the key.
 */
#include "cli/completion.h"

#include <string.h>

#include "cli/verb.h"

static void
bash_words(FILE *f, const struct verb *v)
{
	for (int i = 0; i < FLAG_MAX; i++)
		if (verb_takes(v, (enum flag_id)i))
			(void)fprintf(f, " --%s", flag_info((enum flag_id)i)->name);
}

static void
bash_verb(FILE *f, const struct verb *v)
{
	static const char *const targets[] = {
	    [TARGET_NONE] = "",
	    [TARGET_APP] = "apps",
	    [TARGET_SLOT] = "slots",
	    [TARGET_COMMAND] = "commands",
	    [TARGET_VERB] = "verbs",
	    [TARGET_IMPORT] = "import",
	};

	(void)fprintf(f, "\t%s", v->name);
	for (const char *const *a = v->aliases; a && *a; a++)
		(void)fprintf(f, " | %s", *a);
	(void)fprintf(f, ")\n\t\tflags=\"");
	bash_words(f, v);
	(void)fprintf(
	    f, "\"\n\t\ttarget=%s\n\t\t;;\n", *targets[v->target] ? targets[v->target] : "\"\"");
}

static void
names(FILE *f, const char *separator)
{
	size_t n;
	const struct verb *v = verb_table(&n);
	bool first = true;

	for (size_t i = 0; i < n; i++) {
		if (v[i].hidden)
			continue;
		(void)fprintf(f, "%s%s", first ? "" : separator, v[i].name);
		first = false;
		for (const char *const *a = v[i].aliases; a && *a; a++)
			(void)fprintf(f, "%s%s", separator, *a);
	}
}

static const char bash_head[] =
    "# bash completion for brood(1). Made by `brood __complete bash`; do not edit.\n"
    "_brood()\n"
    "{\n"
    "\tlocal cur prev verb=\"\" verb_at=0 i flags=\"\" target=\"\" verbs\n"
    "\tCOMPREPLY=()\n"
    "\tcur=${COMP_WORDS[COMP_CWORD]}\n"
    "\tprev=${COMP_WORDS[COMP_CWORD-1]}\n"
    "\tverbs=\"";

static const char bash_find[] =
    "\"\n"
    "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
    "\t\tcase ${COMP_WORDS[i]} in\n"
    "\t\t-i | --instance | --run-dir | --color) i=$((i + 1)) ;;\n"
    "\t\t-*) ;;\n"
    "\t\t*)\n"
    "\t\t\tverb=${COMP_WORDS[i]} verb_at=$i\n"
    "\t\t\tbreak\n"
    "\t\t\t;;\n"
    "\t\tesac\n"
    "\tdone\n"
    "\tcase $prev in\n"
    "\t-i | --instance)\n"
    "\t\tmapfile -t COMPREPLY < <(compgen -W \"$(brood __complete instances 2>/dev/null)\" -- "
    "\"$cur\")\n"
    "\t\treturn\n"
    "\t\t;;\n"
    "\t-c | --config | -o | --output)\n"
    "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
    "\t\treturn\n"
    "\t\t;;\n"
    "\t--run-dir)\n"
    "\t\tmapfile -t COMPREPLY < <(compgen -d -- \"$cur\")\n"
    "\t\treturn\n"
    "\t\t;;\n"
    "\t--color)\n"
    "\t\tmapfile -t COMPREPLY < <(compgen -W \"auto always never\" -- \"$cur\")\n"
    "\t\treturn\n"
    "\t\t;;\n"
    "\tesac\n"
    "\tcase $verb in\n"
    "\t\"\")\n"
    "\t\tmapfile -t COMPREPLY < <(compgen -W \"$verbs --help --version --instance\" -- \"$cur\")\n"
    "\t\treturn\n"
    "\t\t;;\n";

static const char bash_tail[] = "\tesac\n"
                                "\tif [[ $cur == -* ]]; then\n"
                                "\t\tmapfile -t COMPREPLY < <(compgen -W \"$flags\" -- \"$cur\")\n"
                                "\t\treturn\n"
                                "\tfi\n"
                                "\tcase $target in\n"
                                "\tapps | slots)\n"
                                "\t\t((COMP_CWORD == verb_at + 1)) || return\n"
                                "\t\tmapfile -t COMPREPLY < <(compgen -W \"$(brood __complete "
                                "\"$target\" 2>/dev/null)\" -- \"$cur\")\n"
                                "\t\t;;\n"
                                "\timport)\n"
                                "\t\tif ((COMP_CWORD == verb_at + 1)); then\n"
                                "\t\t\tmapfile -t COMPREPLY < <(compgen -W \"pm2 Procfile "
                                "supervisord\" -- \"$cur\")\n"
                                "\t\telse\n"
                                "\t\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
                                "\t\tfi\n"
                                "\t\t;;\n"
                                "\tverbs)\n"
                                "\t\tmapfile -t COMPREPLY < <(compgen -W \"$verbs\" -- \"$cur\")\n"
                                "\t\t;;\n"
                                "\tcommands)\n"
                                "\t\tmapfile -t COMPREPLY < <(compgen -c -f -- \"$cur\")\n"
                                "\t\t;;\n"
                                "\tesac\n"
                                "}\n"
                                "complete -o filenames -F _brood brood\n";

static void
print_bash(FILE *f)
{
	size_t n;
	const struct verb *v = verb_table(&n);

	(void)fputs(bash_head, f);
	names(f, " ");
	(void)fputs(bash_find, f);
	for (size_t i = 0; i < n; i++)
		if (!v[i].hidden)
			bash_verb(f, &v[i]);
	(void)fputs(bash_tail, f);
}

/* Text inside '...' of zsh's _arguments: ' ends the word, [ ] and : have a meaning there. */
static void
zsh_text(FILE *f, const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			(void)fputs("'\\''", f);
		else {
			if (strchr("[]:\\", *text))
				(void)putc('\\', f);
			(void)putc(*text, f);
		}
	}
}

static const char *
zsh_action(enum flag_id id)
{
	switch (id) {
	case FLAG_INSTANCE:
		return "{_brood_names instances}";
	case FLAG_CONFIG:
	case FLAG_OUTPUT:
		return "_files";
	case FLAG_RUN_DIR:
		return "_files -/";
	case FLAG_COLOR:
		return "(auto always never)";
	default:
		return "";
	}
}

static void
zsh_flag(FILE *f, enum flag_id id)
{
	const struct flag *flag = flag_info(id);
	bool again = id == FLAG_LISTEN || id == FLAG_SET;

	for (int form = flag->letter ? 0 : 1; form < 2; form++) {
		(void)fprintf(f, " \\\n\t\t\t'%s", again ? "*" : "");
		if (form == 0)
			(void)fprintf(f, "-%c", flag->letter);
		else
			(void)fprintf(f, "--%s", flag->name);
		(void)putc('[', f);
		zsh_text(f, flag->help);
		(void)putc(']', f);
		if (flag->value)
			(void)fprintf(f, ":%s:%s", flag->value, zsh_action(id));
		(void)putc('\'', f);
	}
}

static void
zsh_verb(FILE *f, const struct verb *v)
{
	static const char *const targets[] = {
	    [TARGET_NONE] = "",
	    [TARGET_APP] = "'1:app:{_brood_names apps}'",
	    [TARGET_SLOT] = "'1:worker:{_brood_names slots}'",
	    [TARGET_COMMAND] = "'*::command:_normal'",
	    [TARGET_VERB] = "'1:verb:{_brood_verbs}'",
	    [TARGET_IMPORT] = "'1:format:(pm2 Procfile supervisord)' '2:file:_files'",
	};

	(void)fprintf(f, "\t\t%s", v->name);
	for (const char *const *a = v->aliases; a && *a; a++)
		(void)fprintf(f, "|%s", *a);
	(void)fprintf(f, ")\n\t\t_arguments");
	for (int i = 0; i < FLAG_MAX; i++)
		if (verb_takes(v, (enum flag_id)i))
			zsh_flag(f, (enum flag_id)i);
	if (*targets[v->target])
		(void)fprintf(f, " \\\n\t\t\t%s", targets[v->target]);
	(void)fprintf(f, "\n\t\t;;\n");
}

static void
zsh_verb_list(FILE *f)
{
	size_t n;
	const struct verb *v = verb_table(&n);

	(void)fputs("_brood_verbs() {\n\tlocal -a verbs\n\tverbs=(\n", f);
	for (size_t i = 0; i < n; i++) {
		if (v[i].hidden)
			continue;
		(void)fprintf(f, "\t\t'%s:", v[i].name);
		zsh_text(f, v[i].help);
		(void)fputs("'\n", f);
	}
	(void)fputs("\t)\n\t_describe verb verbs\n}\n\n", f);
}

static void
print_zsh(FILE *f)
{
	size_t n;
	const struct verb *v = verb_table(&n);

	(void)fputs(
	    "#compdef brood\n"
	    "# zsh completion for brood(1). Made by `brood __complete zsh`; do not edit.\n\n"
	    "_brood_names() {\n"
	    "\tlocal -a names\n"
	    "\tnames=(${(f)\"$(brood __complete $1 2>/dev/null)\"})\n"
	    "\tcompadd -a names\n"
	    "}\n\n",
	    f);
	zsh_verb_list(f);
	(void)fputs("_brood() {\n"
	            "\tlocal curcontext=$curcontext state line\n"
	            "\t_arguments -C",
	    f);
	for (int i = 0; i < FLAG_MAX; i++)
		if (verb_takes(NULL, (enum flag_id)i))
			zsh_flag(f, (enum flag_id)i);
	(void)fputs(" \\\n\t\t\t'1:verb:{_brood_verbs}' \\\n\t\t\t'*::argument:->rest'\n"
	            "\t[[ $state == rest ]] || return\n"
	            "\tcase $line[1] in\n",
	    f);
	for (size_t i = 0; i < n; i++)
		if (!v[i].hidden)
			zsh_verb(f, &v[i]);
	(void)fputs("\tesac\n}\n\n_brood \"$@\"\n", f);
}

static void
fish_text(FILE *f, const char *text)
{
	(void)putc('\'', f);
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			(void)putc('\\', f);
		(void)putc(*text, f);
	}
	(void)putc('\'', f);
}

static void
fish_flag(FILE *f, const char *condition, enum flag_id id)
{
	const struct flag *flag = flag_info(id);

	(void)fprintf(f, "complete -c brood -n '%s' -l %s", condition, flag->name);
	if (flag->letter)
		(void)fprintf(f, " -s %c", flag->letter);
	if (id == FLAG_CONFIG || id == FLAG_OUTPUT)
		(void)fprintf(f, " -r -F");
	else if (id == FLAG_RUN_DIR)
		(void)fprintf(f, " -x -a '(__fish_complete_directories)'");
	else if (id == FLAG_INSTANCE)
		(void)fprintf(f, " -x -a '(brood __complete instances 2>/dev/null)'");
	else if (id == FLAG_COLOR)
		(void)fprintf(f, " -x -a 'auto always never'");
	else if (flag->value)
		(void)fprintf(f, " -x");
	(void)fprintf(f, " -d ");
	fish_text(f, flag->help);
	(void)putc('\n', f);
}

static void
fish_verb(FILE *f, const struct verb *v)
{
	char condition[128];

	(void)fprintf(f, "complete -c brood -n __fish_use_subcommand -a %s -d ", v->name);
	fish_text(f, v->help);
	(void)putc('\n', f);
	(void)snprintf(condition, sizeof(condition), "__fish_seen_subcommand_from %s%s%s", v->name,
	    v->aliases ? " " : "", v->aliases ? v->aliases[0] : "");
	for (int i = 0; i < FLAG_MAX; i++)
		if (verb_takes(v, (enum flag_id)i))
			fish_flag(f, condition, (enum flag_id)i);
	if (v->target == TARGET_APP || v->target == TARGET_SLOT)
		(void)fprintf(f,
		    "complete -c brood -n '%s' -a '(brood __complete %s 2>/dev/null)'\n", condition,
		    v->target == TARGET_APP ? "apps" : "slots");
	else if (v->target == TARGET_COMMAND)
		(void)fprintf(f, "complete -c brood -n '%s' -F\n", condition);
	else if (v->target == TARGET_IMPORT)
		(void)fprintf(
		    f, "complete -c brood -n '%s' -a 'pm2 Procfile supervisord' -F\n", condition);
	else if (v->target == TARGET_VERB) {
		(void)fprintf(f, "complete -c brood -n '%s' -a '", condition);
		names(f, " ");
		(void)fprintf(f, "'\n");
	}
}

static void
print_fish(FILE *f)
{
	size_t n;
	const struct verb *v = verb_table(&n);

	(void)fputs(
	    "# fish completion for brood(1). Made by `brood __complete fish`; do not edit.\n"
	    "complete -c brood -f\n",
	    f);
	for (int i = 0; i < FLAG_MAX; i++)
		if (verb_takes(NULL, (enum flag_id)i))
			fish_flag(f, "__fish_use_subcommand", (enum flag_id)i);
	for (size_t i = 0; i < n; i++)
		if (!v[i].hidden)
			fish_verb(f, &v[i]);
}

int
completion_print(const char *shell, FILE *f)
{
	if (strcmp(shell, "bash") == 0)
		print_bash(f);
	else if (strcmp(shell, "zsh") == 0)
		print_zsh(f);
	else if (strcmp(shell, "fish") == 0)
		print_fish(f);
	else
		return -1;
	return 0;
}
