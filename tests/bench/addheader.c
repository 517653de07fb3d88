/* SPDX-License-Identifier: Apache-2.0 */
/* The reference of the benchmark: a milter that adds one header and looks at nothing. */
#include <libmilter/mfapi.h>

static sfsistat on_eom(SMFICTX *ctx)
{
	char name[] = "X-Reference", value[] = "1";

	return smfi_addheader(ctx, name, value) == MI_SUCCESS ? SMFIS_CONTINUE : SMFIS_TEMPFAIL;
}

int main(int argc, char **argv)
{
	char name[] = "addheader";
	struct smfiDesc desc = {
		.xxfi_name = name,
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = SMFIF_ADDHDRS,
		.xxfi_eom = on_eom,
	};

	if (argc != 2 || smfi_setconn(argv[1]) || smfi_register(desc))
		return 2;
	return smfi_main() == MI_SUCCESS ? 0 : 1;
}
