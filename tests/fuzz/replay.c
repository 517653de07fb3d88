/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main() of a fuzz target without libFuzzer: runs every file given, or found
 * in the folders given, whole and cut in half, after an empty input. Fails
 * when it found none.
 */
#include "tests/fuzz/fuzz.h"

#ifndef LIBFUZZER

#include "common/base/mem.h"
#include "common/base/slice.h"

#include <dirent.h>
#include <sys/stat.h>

enum { INPUT_MAX = 16 * 1024 * 1024, PATH_BYTES = 4096 };

/* A copy of its own size, so that a sanitizer sees every byte read beyond it. */
static void run(const char *data, size_t n)
{
	char *copy = mem_dup(data, n);
	uint8_t *exact = n ? mem_realloc(copy, n) : (uint8_t *)copy;

	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
}

static size_t replay_file(const char *path)
{
	AUTO(mem_freep) char *data = mem_alloc(INPUT_MAX);
	FILE *f = fopen(path, "rbe");
	size_t n;

	if (!f) {
		perror(path);
		exit(1);
	}
	n = fread(data, 1, INPUT_MAX, f);
	fclose(f);
	run(data, n);
	run(data, n / 2);
	return 1;
}

static size_t replay_folder(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	size_t n = 0;

	while (dir && (entry = readdir(dir))) {
		AUTO(mem_freep) char *file = mem_alloc(PATH_BYTES);

		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, PATH_BYTES, "%s/%s", path, entry->d_name);
		n += replay_file(file);
	}
	if (dir)
		closedir(dir);
	return n;
}

int main(int argc, char **argv)
{
	size_t n = 0;

	run("", 0);
	for (int i = 1; i < argc; i++) {
		struct stat st;
		bool folder = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);

		n += folder ? replay_folder(argv[i]) : replay_file(argv[i]);
	}
	printf("%zu files replayed, whole and cut in half\n", n);
	return n ? 0 : 1;
}

#endif
