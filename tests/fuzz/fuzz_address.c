/* A host as text, and its first bytes as addresses: an IPv4 address is as private as every IPv6 address that leads to it. */
#include "fuzz.h"

#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static bool is_private6(const uint8_t *prefix, size_t n, const uint8_t v4[4])
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6 };
	char text[INET6_ADDRSTRLEN];
	bool is_private;

	memcpy(sa.sin6_addr.s6_addr, prefix, n);
	memcpy(sa.sin6_addr.s6_addr + n, v4, 4);
	is_private = sockaddr_is_private((const struct sockaddr *)(const void *)&sa);
	must(inet_ntop(AF_INET6, &sa.sin6_addr, text, sizeof text) && address_is_private(text) == is_private);
	return is_private;
}

static void check_forms(const uint8_t v4[4])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }, nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
	static const uint8_t compatible[12], six_to_four[2] = { 0x20, 0x02 };
	struct sockaddr_in sa = { .sin_family = AF_INET };
	bool is_private;
	char text[INET_ADDRSTRLEN];

	memcpy(&sa.sin_addr, v4, 4);
	is_private = sockaddr_is_private((const struct sockaddr *)(const void *)&sa);
	must(inet_ntop(AF_INET, &sa.sin_addr, text, sizeof text) && address_is_private(text) == is_private);
	must(is_private6(mapped, 12, v4) == is_private);
	must(is_private6(nat64, 12, v4) == is_private);
	must(is_private6(six_to_four, 2, v4) == is_private);
	must(is_private6(compatible, 12, v4));
	must(is_private || (v4[0] != 0 && v4[0] != 10 && v4[0] != 127 && v4[0] < 224 && !(v4[0] == 192 && v4[1] == 168)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped(free_p) char *text = fuzz_text(data, size);
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6 };

	if (!address_is_private(text))
		must(strspn(text, "0123456789abcdefABCDEF.:") == strlen(text));
	if (size >= 4)
		check_forms(data);
	if (size >= 16) {
		memcpy(&sa.sin6_addr, data, 16);
		if (!sockaddr_is_private((const struct sockaddr *)(const void *)&sa))
			must((data[0] & 0xe0) == 0x20 || IN6_IS_ADDR_V4MAPPED(&sa.sin6_addr) || memcmp(data, "\0\x64\xff\x9b", 4) == 0);
	}
	return 0;
}
