/* ops: the names of operations, size buckets, error classes and sample kinds, in one
 * place: the workload, the wire and the results all take them from here. */
#include "proto/ops.h"

#include <errno.h>
#include <string.h>

const struct op_info op_infos[OP_KINDS] = {
	[OP_GET] = {"get", "GET", true, true, "read a whole object"},
	[OP_PUT] = {"put", "PUT", true, true, "write a new object"},
	[OP_LIST] = {"list", "LIST", false, true, "list a prefix, all pages"},
	[OP_STAT] = {"stat", "STAT", false, true, "metadata of one object"},
	[OP_DELETE] = {"delete", "DELETE", false, true,
		"delete an object, each at most once"},
	[OP_RANGE_GET] = {"range_get", "RANGE_GET", true, true,
		"read a part of an object"},
	[OP_MKDIR] = {"mkdir", "MKDIR", false, true, "make a directory"},
	[OP_RMDIR] = {"rmdir", "RMDIR", false, true, "remove a directory"},
	[OP_COPY] = {"copy", "COPY", true, true, "copy an object inside the store"},
	[OP_MULTIPART_PUT] = {"multipart_put", "MULTIPART_PUT", true, true,
		"write a new object in parts"},
	[OP_RANGE_PUT] = {"range_put", "RANGE_PUT", true, true,
		"overwrite a part of an object"},
};

const char *const bucket_names[BUCKETS] = {"zero", "1B-8KiB", "8KiB-64KiB",
	"64KiB-512KiB", "512KiB-4MiB", "4MiB-32MiB", "32MiB-256MiB", "256MiB-2GiB",
	">2GiB"};

const char *const sample_names[SAMPLE_KINDS + 1] = {
	[SAMPLE_RESPONSE] = "response",
	[SAMPLE_SERVICE] = "service",
	[SAMPLE_LATENESS] = "lateness",
	[SAMPLE_FIRST_BYTE] = "first_byte",
	[SAMPLE_PAGE] = "page",
	[SAMPLE_FAILED] = "failed",
	[SAMPLE_KINDS] = "totals",
};

const char *const op_error_names[OP_ERRORS] = {
	[OP_OK] = "ok",
	[OP_ERR_NOT_FOUND] = "not_found",
	[OP_ERR_DENIED] = "denied",
	[OP_ERR_EXISTS] = "exists",
	[OP_ERR_NO_SPACE] = "no_space",
	[OP_ERR_IO] = "io",
	[OP_ERR_TIMEOUT] = "timeout",
	[OP_ERR_SHORT] = "short",
	[OP_ERR_CORRUPT] = "corrupt",
	[OP_ERR_NETWORK] = "network",
	[OP_ERR_THROTTLED] = "throttled",
	[OP_ERR_OTHER] = "other",
};

int op_kind_from_name(const char *name)
{
	if (strcmp(name, "head") == 0)
		return OP_STAT;
	for (int i = 0; i < OP_KINDS; i++)
		if (strcmp(op_infos[i].name, name) == 0)
			return i;
	return -1;
}

static int index_of(const char *const *names, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -1;
}

int sample_kind_from_name(const char *name)
{
	return index_of(sample_names, SAMPLE_KINDS, name);
}

int op_error_from_name(const char *name)
{
	return index_of(op_error_names, OP_ERRORS, name);
}

static const struct {
	int errnum;
	enum op_error error;
} errno_classes[] = {
	{0, OP_OK},
	{ENOENT, OP_ERR_NOT_FOUND},
	{ENOTDIR, OP_ERR_NOT_FOUND},
	{EACCES, OP_ERR_DENIED},
	{EPERM, OP_ERR_DENIED},
	{EROFS, OP_ERR_DENIED},
	{EEXIST, OP_ERR_EXISTS},
	{ENOTEMPTY, OP_ERR_EXISTS},
	{ENOSPC, OP_ERR_NO_SPACE},
	{EDQUOT, OP_ERR_NO_SPACE},
	{EFBIG, OP_ERR_NO_SPACE},
	{EIO, OP_ERR_IO},
	{ENXIO, OP_ERR_IO},
	{EUCLEAN, OP_ERR_IO},
	{EBADMSG, OP_ERR_CORRUPT},
	{ETIMEDOUT, OP_ERR_TIMEOUT},
	{ECONNREFUSED, OP_ERR_NETWORK},
	{ECONNRESET, OP_ERR_NETWORK},
	{ECONNABORTED, OP_ERR_NETWORK},
	{EPIPE, OP_ERR_NETWORK},
	{ENETUNREACH, OP_ERR_NETWORK},
	{EHOSTUNREACH, OP_ERR_NETWORK},
	{ENETDOWN, OP_ERR_NETWORK},
	{EHOSTDOWN, OP_ERR_NETWORK},
	{ENOTCONN, OP_ERR_NETWORK},
	{ESTALE, OP_ERR_NETWORK},
};

enum op_error op_error_from_errno(int errnum)
{
	for (size_t i = 0; i < sizeof(errno_classes) / sizeof(errno_classes[0]); i++)
		if (errno_classes[i].errnum == errnum)
			return errno_classes[i].error;
	return OP_ERR_OTHER;
}
