/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the milter and an SPF helper say to each other over a SOCK_SEQPACKET
 * pair. One packet is one message:
 *     kind (1), code (1), number of fields (1), then per field length (2) and bytes
 * The milter asks SPF_EVALUATE; the helper answers with any number of
 * SPF_QUERY, each answered by one SPF_ANSWER, and then one SPF_RESULT.
 */
#ifndef E2A_MILTER_SPF_WIRE_H
#define E2A_MILTER_SPF_WIRE_H

#include "common/base/err.h"
#include "common/base/slice.h"

enum spf_kind {
	SPF_EVALUATE = 'E', /* fields: ip, helo, sender, domain, record (vetted) */
	SPF_QUERY = 'Q',    /* code: enum dns_type; field: name */
	SPF_ANSWER = 'A',   /* code: enum spf_answer; fields: records */
	SPF_RESULT = 'R',   /* code: enum auth_result */
};
enum spf_answer { SPF_FOUND, SPF_NO_DATA, SPF_NO_NAME, SPF_FAILED };
enum { SPF_F_IP, SPF_F_HELO, SPF_F_SENDER, SPF_F_DOMAIN, SPF_F_RECORD, SPF_F_COUNT };
enum { SPF_FIELDS_MAX = 100, SPF_PACKET_MAX = 32 * 1024 };

struct spf_msg {
	uint8_t kind;
	uint8_t code;
	size_t n;
	struct slice field[SPF_FIELDS_MAX];
};

/* Sends one message and never waits. ERR_IO when the peer is gone or does not read, ERR_TOO_BIG
 * above SPF_PACKET_MAX. */
enum err spf_send(int fd, const struct spf_msg *m) MUST_CHECK;
/*
 * Waits for one message until `deadline_ms` (negative: for ever). Its fields
 * point into `packet`. ERR_TIMEOUT; ERR_IO when the peer is gone; ERR_INPUT
 * when it sent nonsense.
 */
enum err spf_receive(int fd, int64_t deadline_ms, char packet[SPF_PACKET_MAX],
		     struct spf_msg *ret) MUST_CHECK;
/* The pure half of spf_receive. */
enum err spf_decode(struct slice packet, struct spf_msg *ret) MUST_CHECK;

#endif
