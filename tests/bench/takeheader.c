/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reference of the outbound benchmark: a milter that is told all of each mail, as
 * ours is on the inject listener and with as few answers, takes X-Reference away
 * and judges nothing.
 */
#include <libmilter/mfapi.h>

static sfsistat on_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1, unsigned long f2,
			     unsigned long f3, unsigned long *pf0, unsigned long *pf1,
			     unsigned long *pf2, unsigned long *pf3)
{
	const unsigned long steps = SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_MAIL | SMFIP_NR_RCPT |
				    SMFIP_NR_HDR | SMFIP_NR_EOH | SMFIP_NR_BODY | SMFIP_NOUNKNOWN |
				    SMFIP_HDR_LEADSPC | SMFIP_RCPT_REJ;

	(void)ctx;
	(void)f0;
	(void)f2;
	(void)f3;
	*pf0 = SMFIF_CHGHDRS;
	*pf1 = steps;
	*pf2 = *pf3 = 0;
	return (f1 & steps) == steps ? SMFIS_CONTINUE : SMFIS_REJECT;
}

static sfsistat on_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *addr)
{
	(void)ctx;
	(void)host;
	(void)addr;
	return SMFIS_NOREPLY;
}

static sfsistat on_text(SMFICTX *ctx, char *text)
{
	(void)ctx;
	(void)text;
	return SMFIS_NOREPLY;
}

static sfsistat on_envelope(SMFICTX *ctx, char **args)
{
	(void)ctx;
	(void)args;
	return SMFIS_NOREPLY;
}

static sfsistat on_header(SMFICTX *ctx, char *name, char *value)
{
	(void)ctx;
	(void)name;
	(void)value;
	return SMFIS_NOREPLY;
}

static sfsistat on_eoh(SMFICTX *ctx)
{
	(void)ctx;
	return SMFIS_NOREPLY;
}

static sfsistat on_body(SMFICTX *ctx, unsigned char *chunk, size_t n)
{
	(void)ctx;
	(void)chunk;
	(void)n;
	return SMFIS_NOREPLY;
}

static sfsistat on_eom(SMFICTX *ctx)
{
	char name[] = "X-Reference";

	return smfi_chgheader(ctx, name, 1, NULL) == MI_SUCCESS ? SMFIS_CONTINUE : SMFIS_TEMPFAIL;
}

int main(int argc, char **argv)
{
	char name[] = "takeheader";
	struct smfiDesc desc = {
		.xxfi_name = name,
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = SMFIF_CHGHDRS,
		.xxfi_negotiate = on_negotiate,
		.xxfi_connect = on_connect,
		.xxfi_helo = on_text,
		.xxfi_envfrom = on_envelope,
		.xxfi_envrcpt = on_envelope,
		.xxfi_header = on_header,
		.xxfi_eoh = on_eoh,
		.xxfi_body = on_body,
		.xxfi_eom = on_eom,
	};

	if (argc != 2 || smfi_setconn(argv[1]) || smfi_register(desc))
		return 2;
	return smfi_main() == MI_SUCCESS ? 0 : 1;
}
