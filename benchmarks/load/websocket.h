/* One Socket.IO client over a websocket: handshake, framing, heartbeat. */
#ifndef WEBSOCKET_H
#define WEBSOCKET_H

#include "net.h"

enum { OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

enum client_state {
    CLIENT_IDLE,        /* no connection asked for yet */
    CLIENT_HTTP,        /* connecting, or the upgrade request is sent */
    CLIENT_ENGINE_OPEN, /* 101 received, Engine.IO OPEN packet awaited */
    CLIENT_PROBE,       /* an upgrade: the answer to the probe is awaited */
    CLIENT_CONNECT,     /* Socket.IO CONNECT sent, its answer awaited */
    CLIENT_SETUP,       /* an event of the workload's has been sent, its answer awaited */
    CLIENT_READY,
    CLIENT_CLOSING,     /* close frame sent */
};

struct client {
    uint32_t number; /* from 0 up */
    struct conn conn;
    enum client_state state;
    const char *sid;   /* of the polling session that is upgraded, or NULL */
    const char *setup; /* an event to be answered with `joined` before the client is ready, or NULL */
    uint64_t *sent_at; /* ring of send times in ns, oldest at `oldest`; only where latency is measured */
    uint32_t oldest;
    uint32_t part;     /* which frame of an answer comes next */
};

/* Frames, masked and ready to send, `copies` times in a row: one write for a whole window. */
struct frames {
    uint8_t *bytes;
    size_t len; /* of one copy */
};

/* Called for every message of a READY client, once with NULL when it gets READY, and with OP_CLOSE at its end. */
typedef void (*client_message_fn)(struct client *client, uint8_t opcode, const uint8_t *payload, size_t len);

void client_open(struct client *client, const struct target *target, client_message_fn on_message);
void client_send(struct client *client, const struct frames *frames, uint32_t copies);
/* Begins the closing handshake. */
void client_close(struct client *client);

/* Adds a masked frame to `frames`. */
void frames_add(struct frames *frames, uint8_t opcode, const void *payload, size_t len);
void frames_repeat(struct frames *frames, uint32_t copies);

#endif
