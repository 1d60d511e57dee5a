/*
 * nodepkg: what the files of a Node program say: package.json, node_modules/.bin, the first line of a
 * script. Read with a limit, and never executed; what is broken says nothing.
 */
#ifndef BROOD_LOOP_NODEPKG_H
#define BROOD_LOOP_NODEPKG_H

#include <stdbool.h>

struct str;

/* All strings that are returned are the caller's (mem_free()). NULL: there is none, or no memory. */

/* The member `name` of "scripts" in package.json of directory. */
char *node_package_script(const char *directory, const char *name);
bool node_package_has_script(const char *directory, const char *name);
/* Its "main". */
char *node_package_main(const char *directory);
bool node_package_exists(const char *directory);

/* The real path of what npm runs by that name: in node_modules/.bin of directory or of one above
 * it; what is there but not a script of Node (pnpm puts a shell script there) is looked for by the
 * package's own word. */
char *node_package_command(const char *directory, const char *name);

/* Whether the #! line of path runs it with Node, directly or by env. Appends the options that are
 * in that line to *options, with blanks between. */
bool node_runs(const char *path, struct str *options);

/* Whether directory/name is a regular file. */
bool node_has_file(const char *directory, const char *name);

#endif
