/* SPDX-License-Identifier: Apache-2.0 */
/* The limit of descriptors. It must never be raised beyond what the administrator allows. */
#include "common/base/fdlimit.h"

#include <sys/resource.h>

bool fdlimit_set(uint64_t want, uint64_t *ret_have)
{
	struct rlimit limit;

	*ret_have = 0;
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return false;
	*ret_have = limit.rlim_cur;
	limit.rlim_cur = want < limit.rlim_max ? want : limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		*ret_have = limit.rlim_cur;
	return *ret_have >= want;
}
