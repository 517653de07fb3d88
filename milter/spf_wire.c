/* SPDX-License-Identifier: Apache-2.0 */
/* The packets. The helper is not trusted: it runs the library that reads hostile records. */
#include "milter/spf_wire.h"

#include "common/base/clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

enum { HEAD = 3, FIELD_HEAD = 2 };

enum err spf_send(int fd, const struct spf_msg *m)
{
	char packet[SPF_PACKET_MAX];
	size_t n = HEAD;
	ssize_t sent;

	packet[0] = (char)m->kind;
	packet[1] = (char)m->code;
	packet[2] = (char)m->n;
	for (size_t i = 0; i < m->n; i++) {
		struct slice f = m->field[i];

		if (f.n > sizeof(packet) || n + FIELD_HEAD + f.n > sizeof(packet))
			return ERR_TOO_BIG;
		packet[n] = (char)(f.n >> 8);
		packet[n + 1] = (char)(f.n & 0xff);
		if (f.n > 0)
			memcpy(packet + n + FIELD_HEAD, f.p, f.n);
		n += FIELD_HEAD + f.n;
	}
	/* Each side waits for the other, so only one that breaks the rules has a full queue. */
	do
		sent = send(fd, packet, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)n ? OK : ERR_IO;
}

enum err spf_decode(struct slice packet, struct spf_msg *ret)
{
	struct spf_msg m = { 0 };
	size_t fields, at = HEAD;

	if (packet.n < HEAD)
		return ERR_INPUT;
	m.kind = (uint8_t)packet.p[0];
	m.code = (uint8_t)packet.p[1];
	fields = (uint8_t)packet.p[2];
	if (fields > SPF_FIELDS_MAX)
		return ERR_INPUT;
	for (; m.n < fields; m.n++) {
		size_t len;

		if (at + FIELD_HEAD > packet.n)
			return ERR_INPUT;
		len = (size_t)(uint8_t)packet.p[at] << 8 | (uint8_t)packet.p[at + 1];
		at += FIELD_HEAD;
		if (len > packet.n - at)
			return ERR_INPUT;
		m.field[m.n] = slice_sub(packet, at, at + len);
		at += len;
	}
	if (at != packet.n)
		return ERR_INPUT;
	*ret = m;
	return OK;
}

static enum err wait_readable(int fd, int64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (;;) {
		int64_t left = deadline_ms < 0 ? -1 : deadline_ms - clock_mono_ms();
		int n;

		if (deadline_ms >= 0 && left <= 0)
			return ERR_TIMEOUT;
		n = poll(&p, 1, left > INT_MAX ? INT_MAX : (int)left);
		if (n > 0)
			return OK;
		if (n < 0 && errno != EINTR)
			return ERR_IO;
	}
}

enum err spf_receive(int fd, int64_t deadline_ms, char packet[SPF_PACKET_MAX], struct spf_msg *ret)
{
	enum err e = wait_readable(fd, deadline_ms);
	ssize_t n;

	if (e)
		return e;
	do
		n = recv(fd, packet, SPF_PACKET_MAX, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return ERR_IO;
	return spf_decode(slice_of(packet, (size_t)n), ret);
}
