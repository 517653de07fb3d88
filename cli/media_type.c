/* SPDX-License-Identifier: Apache-2.0 */
/* The table of media types. */
#include "cli/media_type.h"

#include "common/base/mem.h"

/* Of several endings of one type the first is written. */
static const struct {
	const char *extension, *type;
	bool never_sent; /* attachments are sent in base64, which it must not be (RFC 2046 5.2.1) */
} rows[] = {
	{ ".txt", "text/plain", false },
	{ ".log", "text/plain", false },
	{ ".md", "text/markdown", false },
	{ ".html", "text/html", false },
	{ ".htm", "text/html", false },
	{ ".csv", "text/csv", false },
	{ ".ics", "text/calendar", false },
	{ ".vcf", "text/vcard", false },
	{ ".xml", "application/xml", false },
	{ ".json", "application/json", false },
	{ ".yaml", "application/yaml", false },
	{ ".yml", "application/yaml", false },
	{ ".pdf", "application/pdf", false },
	{ ".png", "image/png", false },
	{ ".jpg", "image/jpeg", false },
	{ ".jpeg", "image/jpeg", false },
	{ ".gif", "image/gif", false },
	{ ".webp", "image/webp", false },
	{ ".svg", "image/svg+xml", false },
	{ ".tiff", "image/tiff", false },
	{ ".mp3", "audio/mpeg", false },
	{ ".wav", "audio/wav", false },
	{ ".mp4", "video/mp4", false },
	{ ".zip", "application/zip", false },
	{ ".gz", "application/gzip", false },
	{ ".tar", "application/x-tar", false },
	{ ".doc", "application/msword", false },
	{ ".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	  false },
	{ ".xls", "application/vnd.ms-excel", false },
	{ ".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", false },
	{ ".ppt", "application/vnd.ms-powerpoint", false },
	{ ".pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation",
	  false },
	{ ".odt", "application/vnd.oasis.opendocument.text", false },
	{ ".ods", "application/vnd.oasis.opendocument.spreadsheet", false },
	{ ".eml", "message/rfc822", true },
};

const char *media_type_of(struct slice filename)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (!rows[i].never_sent && slice_iends(filename, slice_str(rows[i].extension)))
			return rows[i].type;
	return "application/octet-stream";
}

const char *media_type_extension(struct slice type)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (slice_eq(type, slice_str(rows[i].type)))
			return rows[i].extension;
	return "";
}
