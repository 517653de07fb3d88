/* SPDX-License-Identifier: Apache-2.0 */
/* The helper's seccomp filter. Whatever is not on the list kills the process. */
#include "milter/spf_helper.h"

#include "common/base/mem.h"

#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

static const int allowed[] = {
	SCMP_SYS(read),          SCMP_SYS(write),
	SCMP_SYS(poll),          SCMP_SYS(ppoll),
	SCMP_SYS(recvfrom),      SCMP_SYS(sendto),
	SCMP_SYS(close),         SCMP_SYS(brk),
	SCMP_SYS(munmap),        SCMP_SYS(mremap),
	SCMP_SYS(madvise),       SCMP_SYS(futex),
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
	SCMP_SYS(time),          SCMP_SYS(getrandom),
	SCMP_SYS(fstat),         SCMP_SYS(newfstatat),
	SCMP_SYS(rt_sigreturn),  SCMP_SYS(exit),
	SCMP_SYS(exit_group),    SCMP_SYS(restart_syscall),
};

/* Memory may be mapped and protected, but never executed. */
static bool allow_memory(scmp_filter_ctx f)
{
	struct scmp_arg_cmp no_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);

	return seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, no_exec) == 0 &&
	       seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, no_exec) == 0;
}

static bool load_filter(void)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
	bool ok = f && allow_memory(f);

	for (size_t i = 0; ok && i < ARRAY_LEN(allowed); i++)
		ok = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0) == 0;
	ok = ok && seccomp_load(f) == 0;
	seccomp_release(f);
	return ok;
}

bool spf_sandbox_enter(void)
{
#ifdef SANITIZED
	(void)load_filter;
	return true;
#else
	const struct rlimit memory = { 64 << 20, 64 << 20 }, none = { 0, 0 };

	return setrlimit(RLIMIT_DATA, &memory) == 0 && setrlimit(RLIMIT_CORE, &none) == 0 &&
	       setrlimit(RLIMIT_FSIZE, &none) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       load_filter();
#endif
}
