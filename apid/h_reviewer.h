/* SPDX-License-Identifier: Apache-2.0 */
/* What naming a reviewer and their answer share: the link, and what a human is told. */
#ifndef E2A_APID_H_REVIEWER_H
#define E2A_APID_H_REVIEWER_H

#define REVIEWER_PATH "/api/reviewers/confirm"
#define REVIEWER_MEANS                                                                             \
	"When it has written a mail that waits for a human, you get a mail with links\n"           \
	"to approve or to reject it. The first reviewer who decides has decided, and\n"            \
	"the account sees who it was. You need no account of your own, and nobody gets\n"          \
	"access to your mail."

#endif
