/* SPDX-License-Identifier: Apache-2.0 */
/* What asking for a delegation and answering share: the link, and what a human is told. */
#ifndef E2A_APID_H_DELEGATION_H
#define E2A_APID_H_DELEGATION_H

#define DELEGATION_PATH "/api/delegations/confirm"
#define DELEGATION_MEANS                                                                           \
	"Its mail to agents on the same server then carries your address, as that of\n"            \
	"the person for whom it writes. It gets no access to your mail or anything\n"              \
	"else of yours, and cannot write from your address."

#endif
