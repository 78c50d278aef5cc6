/* kexinit: RFC 4253, sections 4.2 (banner), 6 (packets) and 7.1 (SSH_MSG_KEXINIT). */
#include "transport/libssh2/kexinit.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "transport/wire.h"

#define SSH_MSG_KEXINIT 20
#define COOKIE_BYTES 16

const char *kex_list_name(int list)
{
	static const char *const names[KEX_LISTS] = {
		[KEX_METHOD] = "key exchange",
		[KEX_HOST_KEY] = "host key type",
		[KEX_CIPHER_OUT] = "cipher",
		[KEX_CIPHER_IN] = "cipher",
		[KEX_MAC_OUT] = "MAC",
		[KEX_MAC_IN] = "MAC",
		[KEX_COMPRESSION_OUT] = "compression",
		[KEX_COMPRESSION_IN] = "compression",
	};

	return names[list];
}

/* Lines before the one that begins with "SSH-" are greetings. */
static struct wire skip_banner(const void *stream, size_t len)
{
	const char *p = stream, *end = p + len;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		bool banner = nl && nl - p >= 4 && memcmp(p, "SSH-", 4) == 0;

		if (!nl)
			break;
		p = nl + 1;
		if (banner)
			return wire_of(p, (size_t)(end - p));
	}
	return (struct wire){.bad = true};
}

int kexinit_parse(const void *stream, size_t len, struct kexinit *ret)
{
	struct wire w = len ? skip_banner(stream, len) : (struct wire){.bad = true};
	struct wire packet = wire_string(&w);
	struct kexinit k = {{NULL}};

	wire_u8(&packet); /* how much padding follows: more than is looked at */
	if (wire_u8(&packet) != SSH_MSG_KEXINIT)
		return -1;
	wire_bytes(&packet, COOKIE_BYTES);
	for (int i = 0; i < KEX_LISTS; i++) {
		struct wire list = wire_string(&packet);

		k.lists[i] =
			list.bad ? NULL : text_sanitize((const char *)list.p, list.left);
		if (!k.lists[i]) {
			kexinit_finish(&k);
			return -1;
		}
	}
	*ret = k;
	return 0;
}

void kexinit_finish(struct kexinit *k)
{
	for (int i = 0; i < KEX_LISTS; i++) {
		free(k->lists[i]);
		k->lists[i] = NULL;
	}
}

static bool has_name(const char *list, const char *name, size_t len)
{
	while (*list) {
		size_t n = strcspn(list, ",");

		if (n == len && memcmp(list, name, n) == 0)
			return true;
		list += n + (list[n] == ',');
	}
	return false;
}

static bool in_common(const char *a, const char *b)
{
	while (*a) {
		size_t n = strcspn(a, ",");

		if (n && has_name(b, a, n))
			return true;
		a += n + (a[n] == ',');
	}
	return false;
}

int kexinit_mismatch(const struct kexinit *client, const struct kexinit *server)
{
	for (int i = 0; i < KEX_LISTS; i++)
		if (!in_common(client->lists[i], server->lists[i]))
			return i;
	return -1;
}
