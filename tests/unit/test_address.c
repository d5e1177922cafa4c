#include "test.h"

#include "address.h"

#include <sys/socket.h>

TEST(address_is_private_for_what_the_public_cannot_reach)
{
	static const char *const row[] = {
		"127.0.0.1", "127.255.0.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
		"100.64.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.7", "198.18.0.1",
		"::", "::1", "fe80::1", "fc00::1", "fd12:3456::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
		"64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1", "2001::1", "::127.0.0.1", "::8.8.8.8", "2001:0:7f00:1::", "fec0::1",
		"64:ff9b:1::1", "100::1", "ff0e::1", "2002:c0a8:1::", "64:ff9b::a00:1", "::ffff:a9fe:a9fe", "3fff::1", "5f00::1",
		"", "localhost", "1.2.3", "[::1]",
	};

	for (size_t i = 0; i < countof(row); i++)
		if (!address_is_private(row[i]))
			fail_msg("%s counts as public", row[i]);
}

TEST(address_is_public_for_the_rest)
{
	static const char *const row[] = { "1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "192.169.0.1",
		"2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808" };

	for (size_t i = 0; i < countof(row); i++)
		if (address_is_private(row[i]))
			fail_msg("%s counts as private", row[i]);
}

TEST(sockaddr_of_another_family_is_private)
{
	struct sockaddr sa = { .sa_family = AF_UNIX };

	assert_true(sockaddr_is_private(&sa));
}
