/* secret: text that is wiped when it goes. Reading a file by buf.h would leave copies behind where the
 * buffer grew. */
#include "cloud/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "common/err.h"

void secret_free(char *text)
{
	if (!text)
		return;
	explicit_bzero(text, strlen(text));
	free(text);
}

int secret_set(char **to, const char *text)
{
	char *copy = NULL;

	if (text && *text) {
		copy = strdup(text);
		if (!copy)
			return -ENOMEM;
	}
	secret_free(*to);
	*to = copy;
	return 0;
}

/* Fills text[0..size); the number of bytes that there are, size at most. */
static long read_up_to(int fd, char *text, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, text + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (long)len;
}

char *secret_file(const char *path, size_t max, size_t *ret_len, struct err *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	char *text;
	long len;

	if (fd < 0 || fstat(fd, &st) < 0) {
		err_sys(err, errno, "cannot read %s", path);
		return NULL;
	}
	if (S_ISDIR(st.st_mode)) {
		err_sys(err, EISDIR, "cannot read %s", path);
		return NULL;
	}
	text = malloc(max + 2);
	len = text ? read_up_to(fd, text, max + 1) : -ENOMEM;
	if (len < 0)
		err_sys(err, (int)-len, "cannot read %s", path);
	else if ((size_t)len > max)
		err_set(err, ERR_INPUT, "%s is larger than %zu bytes", path, max);
	if (len < 0 || (size_t)len > max) {
		if (text)
			explicit_bzero(text, max + 2);
		free(text);
		return NULL;
	}
	text[len] = '\0';
	*ret_len = (size_t)len;
	return text;
}

void secret_json_free(json_t *object)
{
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value) if (json_is_string(value))
	{
		/* jansson hands out its own memory as const */
		union {
			const char *shown;
			char *owned;
		} text = {.shown = json_string_value(value)};

		explicit_bzero(text.owned, json_string_length(value));
	}
	json_decref(object);
}

const char *secret_json_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text && *text ? text : NULL;
}
