/*
 * driver: feeds files to a fuzz target where there is no libFuzzer.
 *
 * Arguments that are directories give all files in them, sorted by nobody: a target has no memory
 * of the inputs before. Arguments that begin with '-' are libFuzzer's and are passed over.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long inputs;

/* The copy is exactly as large as the input, so that a sanitizer sees the first byte past it. */
static int
feed_file(const char *path)
{
	struct stat st;
	uint8_t *data;
	size_t n;
	FILE *f;

	f = fopen(path, "rb");
	if (f == NULL || stat(path, &st) < 0) {
		perror(path);
		if (f != NULL)
			fclose(f);
		return 1;
	}
	data = malloc(st.st_size > 0 ? (size_t)st.st_size : 1);
	n = data != NULL ? fread(data, 1, (size_t)st.st_size, f) : 0;
	fclose(f);
	(void)LLVMFuzzerTestOneInput(data, n);
	free(data);
	inputs++;
	return 0;
}

static int
feed_directory(const char *path)
{
	struct dirent *entry;
	char file[4096];
	int failed = 0;
	DIR *dir;

	dir = opendir(path);
	if (dir == NULL) {
		perror(path);
		return 1;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		failed |= feed_file(file);
	}
	closedir(dir);
	return failed;
}

int
main(int argc, char **argv)
{
	struct stat st;
	int failed = 0, i;

	for (i = 1; i < argc; i++) {
		if (argv[i][0] == '-')
			continue;
		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			failed |= feed_directory(argv[i]);
		else
			failed |= feed_file(argv[i]);
	}
	printf("%lu inputs\n", inputs);
	return failed || inputs == 0;
}
