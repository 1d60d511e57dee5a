/*
 * filesystem: the files of this machine. Apart from files.c, so that who has a world of his own links
 * nothing that looks at the system.
 */
#ifndef BROOD_LAUNCHER_FILESYSTEM_H
#define BROOD_LAUNCHER_FILESYSTEM_H

#include "launcher/files.h"

extern const struct files files_of_system;

#endif
