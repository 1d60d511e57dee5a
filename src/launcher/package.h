/*
 * package: what the files of a Node program say: package.json and node_modules/.bin. Read with a
 * limit, and never executed; what is broken says nothing.
 */
#ifndef BROOD_LAUNCHER_PACKAGE_H
#define BROOD_LAUNCHER_PACKAGE_H

#include <stdbool.h>

struct files;

/* All strings that are returned are the caller's (mem_free()). NULL: there is none, or no memory. */

/* The member `name` of "scripts" in package.json of directory. */
char *package_script(const struct files *f, const char *directory, const char *name);
bool package_has_script(const struct files *f, const char *directory, const char *name);
/* Its "main". */
char *package_main(const struct files *f, const char *directory);
bool package_exists(const struct files *f, const char *directory);

/* What npm runs by that name: in node_modules/.bin of directory or of one above it. */
char *package_find(const struct files *f, const char *directory, const char *name);
/* The real path of that; what is there but not a script of Node (pnpm puts a shell script there) is
 * looked for by the package's own word. */
char *package_command(const struct files *f, const char *directory, const char *name);

#endif
