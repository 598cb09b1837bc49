/* Clients that poll: the echo over long polls and POSTs, and connecting as browsers do, with an upgrade. */
#ifndef POLLING_H
#define POLLING_H

#include "net.h"

/* Echoes over polling, with one message in flight for each client. */
void polling_echo(uint32_t clients, const struct target *target);
/* Connects by polling, upgrades to a websocket, leaves, and begins again; so many clients at a time. */
void polling_connects(uint32_t clients, const struct target *target);
/* GETs of the WSGI server's own, one in flight for each client: what polling could at best be. */
void polling_floor(uint32_t clients, const struct target *target);

#endif
