/* hello: the first bytes of each connection of a pair. */
#include "net/hello.h"

#include <string.h>

static const uint8_t magic[8] = {'m', 'u', 's', 't', 'e', 'r', 'N', '1'};

void net_hello_make(
	const uint8_t token[NET_TOKEN_SIZE], uint32_t flow, uint8_t ret[NET_HELLO_SIZE])
{
	memset(ret, 0, NET_HELLO_SIZE);
	memcpy(ret, magic, sizeof(magic));
	memcpy(ret + sizeof(magic), token, NET_TOKEN_SIZE);
	net_put32(ret + sizeof(magic) + NET_TOKEN_SIZE, flow);
}

bool net_hello_read(
	const uint8_t hello[NET_HELLO_SIZE], const uint8_t **token, uint32_t *flow)
{
	if (memcmp(hello, magic, sizeof(magic)) != 0)
		return false;
	*token = hello + sizeof(magic);
	*flow = net_get32(hello + sizeof(magic) + NET_TOKEN_SIZE);
	return true;
}

bool net_token_equal(const uint8_t a[NET_TOKEN_SIZE], const uint8_t b[NET_TOKEN_SIZE])
{
	volatile uint8_t differ = 0;

	for (unsigned i = 0; i < NET_TOKEN_SIZE; i++)
		differ = differ | (uint8_t)(a[i] ^ b[i]);
	return !differ;
}

void net_token_parse(const char *hex, uint8_t ret[NET_TOKEN_SIZE])
{
	for (unsigned i = 0; i < NET_TOKEN_SIZE; i++) {
		uint8_t byte = 0;

		for (unsigned k = 0; k < 2; k++) {
			char c = hex[2 * i + k];
			int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;

			byte = (uint8_t)(byte << 4 | (digit & 15));
		}
		ret[i] = byte;
	}
}
