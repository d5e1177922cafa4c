#include "address.h"

#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

struct net4 { uint8_t at[4]; unsigned bits; };

/* Everything of the IANA IPv4 special-purpose registry that is not globally reachable. */
static const struct net4 private4[] = {
	{ { 0, 0, 0, 0 }, 8 }, { { 10, 0, 0, 0 }, 8 }, { { 100, 64, 0, 0 }, 10 }, { { 127, 0, 0, 0 }, 8 },
	{ { 169, 254, 0, 0 }, 16 }, { { 172, 16, 0, 0 }, 12 }, { { 192, 0, 0, 0 }, 24 }, { { 192, 0, 2, 0 }, 24 },
	{ { 192, 88, 99, 0 }, 24 }, { { 192, 168, 0, 0 }, 16 }, { { 198, 18, 0, 0 }, 15 }, { { 198, 51, 100, 0 }, 24 },
	{ { 203, 0, 113, 0 }, 24 }, { { 224, 0, 0, 0 }, 4 }, { { 240, 0, 0, 0 }, 4 },
};

static bool starts_with(const uint8_t *a, const uint8_t *net, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;

	if (memcmp(a, net, bytes) != 0)
		return false;
	return rest == 0 || ((a[bytes] ^ net[bytes]) >> (8 - rest)) == 0;
}

static bool is_special4(const uint8_t a[4])
{
	for (size_t i = 0; i < countof(private4); i++)
		if (starts_with(a, private4[i].at, private4[i].bits))
			return true;
	return false;
}

/* So that "from outside to inside" can be tried on one machine. */
#ifdef FAULTS
static bool is_test_public4(const uint8_t a[4])
{
	const char *text = getenv("FAULT_PUBLIC_ADDRESS");
	uint8_t one[4];

	return text && inet_pton(AF_INET, text, one) == 1 && memcmp(a, one, 4) == 0;
}
#else
static bool is_test_public4(const uint8_t a[4])
{
	(void)a;
	return false;
}
#endif

static bool is_private4(const uint8_t a[4])
{
	return is_special4(a) && !is_test_public4(a);
}

/* Only 2000::/3 is given out for the public; of the rest, the forms that embed an IPv4
 * address and are routed to it are as public as that address. */
static bool is_private6(const uint8_t a[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
	static const uint8_t global[1] = { 0x20 }, ietf[3] = { 0x20, 0x01, 0x00 }, six_to_four[2] = { 0x20, 0x02 };
	static const uint8_t documentation[4] = { 0x20, 0x01, 0x0d, 0xb8 }, documentation2[3] = { 0x3f, 0xff, 0x00 };

	if (starts_with(a, mapped, 96) || starts_with(a, nat64, 96))
		return is_private4(a + 12);
	if (starts_with(a, six_to_four, 16))
		return is_private4(a + 2);
	return !starts_with(a, global, 3) || starts_with(a, ietf, 23) || starts_with(a, documentation, 32)
		|| starts_with(a, documentation2, 20);
}

bool sockaddr_is_private(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return is_private4((const uint8_t *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr);
	if (sa->sa_family == AF_INET6)
		return is_private6((const uint8_t *)&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr);
	return true;
}

bool address_is_private(const char *text)
{
	uint8_t a[16];

	if (inet_pton(AF_INET, text, a) == 1)
		return is_private4(a);
	if (inet_pton(AF_INET6, text, a) == 1)
		return is_private6(a);
	return true;
}
