/*
 * address.h - which network addresses a URL from outside may lead to.
 *
 * Private is what the public Internet cannot reach: loopback, RFC 1918, link-local, carrier NAT,
 * multicast, documentation, reserved, and the IPv6 forms that embed such an IPv4 address.
 */
#ifndef ADDRESS_H
#define ADDRESS_H

#include "base.h"

struct sockaddr;

/* Any family but IPv4 and IPv6 is private. */
bool sockaddr_is_private(const struct sockaddr *sa);

/* The same of an IPv4 or IPv6 literal without brackets; what is not one counts as private. */
bool address_is_private(const char *text);

#endif
