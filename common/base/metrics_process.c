/* SPDX-License-Identifier: Apache-2.0 */
/* Of this process, from the kernel. What cannot be read is left out. */
#include "common/base/metrics_process.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/version.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

/*
 * Fields of proc(5)'s /proc/pid/stat, counted from the one behind the name in parentheses,
 * which may hold anything.
 */
enum { STAT_START = 19, STAT_VIRTUAL, STAT_RESIDENT };

enum { STAT_MAX = 2048, US_PER_SECOND = 1000000 };

static int64_t stat_field(size_t want)
{
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	char text[STAT_MAX];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	struct slice rest, field = S("");
	int64_t value;

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return METRIC_UNKNOWN;
	rest = slice_of(text, (size_t)n);
	rest = slice_sub(rest, (size_t)(slice_rfind(rest, ')') + 2), rest.n);
	for (size_t i = 0; i <= want; i++)
		if (!slice_cut(&rest, ' ', &field))
			return METRIC_UNKNOWN;
	return slice_to_i64(field, 0, INT64_MAX, &value) == OK ? value : METRIC_UNKNOWN;
}

static int64_t one(void)
{
	return 1;
}

static int64_t timeval_us(struct timeval t)
{
	return t.tv_sec * (int64_t)US_PER_SECOND + t.tv_usec;
}

static int64_t cpu_us(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage))
		return METRIC_UNKNOWN;
	return timeval_us(usage.ru_utime) + timeval_us(usage.ru_stime);
}

/* The kernel tells ticks since boot. */
static int64_t start_us(void)
{
	struct timespec up;
	int64_t ticks = stat_field(STAT_START), hz = sysconf(_SC_CLK_TCK);

	if (ticks == METRIC_UNKNOWN || hz <= 0 || clock_gettime(CLOCK_BOOTTIME, &up))
		return METRIC_UNKNOWN;
	return clock_now_us() - (up.tv_sec * (int64_t)US_PER_SECOND + up.tv_nsec / 1000) +
	       ticks * US_PER_SECOND / hz;
}

static int64_t virtual_bytes(void)
{
	return stat_field(STAT_VIRTUAL);
}

static int64_t resident_bytes(void)
{
	int64_t pages = stat_field(STAT_RESIDENT);

	return pages == METRIC_UNKNOWN ? pages : pages * sysconf(_SC_PAGESIZE);
}

static int64_t open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int64_t n = -3; /* the two that are no numbers, and this one */

	if (!dir)
		return METRIC_UNKNOWN;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static int64_t max_fds(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) ? METRIC_UNKNOWN : (int64_t)limit.rlim_cur;
}

static const char *const versions[] = { E2A_VERSION };

const struct metric metrics_process[METRICS_PROCESS_N] = {
	{ .name = "e2a_build_info",
	  .help = "Always 1; the version of this program.",
	  .type = METRIC_GAUGE,
	  METRIC_LABEL("version", versions),
	  .read = one },
	{ .name = "process_cpu_seconds_total",
	  .help = "User and system time spent.",
	  .type = METRIC_COUNTER,
	  .unit = METRIC_US,
	  .read = cpu_us },
	{ .name = "process_start_time_seconds",
	  .help = "When the process started, in seconds since 1970.",
	  .type = METRIC_GAUGE,
	  .unit = METRIC_US,
	  .read = start_us },
	{ .name = "process_virtual_memory_bytes",
	  .help = "Virtual memory.",
	  .type = METRIC_GAUGE,
	  .read = virtual_bytes },
	{ .name = "process_resident_memory_bytes",
	  .help = "Resident memory.",
	  .type = METRIC_GAUGE,
	  .read = resident_bytes },
	{ .name = "process_open_fds",
	  .help = "Open descriptors.",
	  .type = METRIC_GAUGE,
	  .read = open_fds },
	{ .name = "process_max_fds",
	  .help = "How many there may be.",
	  .type = METRIC_GAUGE,
	  .read = max_fds },
};
