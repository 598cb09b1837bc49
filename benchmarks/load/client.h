/* One Socket.IO client over a websocket: handshake, framing, heartbeat. */
#ifndef CLIENT_H
#define CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum client_state {
    CLIENT_IDLE,         /* no connection asked for yet */
    CLIENT_CONNECTING,   /* connect() under way */
    CLIENT_HTTP,         /* upgrade request sent */
    CLIENT_ENGINE_OPEN,  /* 101 received, Engine.IO OPEN packet awaited */
    CLIENT_CONNECT,      /* Socket.IO CONNECT sent, its answer awaited */
    CLIENT_READY,
};

struct client {
    uint32_t number; /* from 0 up */
    int fd;
    enum client_state state;
    uint8_t *partial; /* start of a frame (or of the HTTP head) whose rest has not arrived */
    size_t partial_len;
    uint64_t *sent_at; /* ring of send times in ns, oldest at `oldest`; only in the echo workload */
    uint32_t oldest;
};

/* A websocket frame, masked and ready to send, `copies` times in a row: one write for a whole window. */
struct frame {
    uint8_t *bytes;
    size_t len; /* of one copy */
    uint32_t copies;
};

struct target {
    const char *host;
    uint16_t port;
    bool browser_headers;
};

/* Called for every Engine.IO message of a READY client, and once with NULL when it gets READY. */
typedef void (*client_message_fn)(struct client *client, const uint8_t *text, size_t len);

struct frame frame_build(const char *text, uint32_t copies);
/* Starts a non-blocking connect(); watch the descriptor for writability. */
void client_connect(struct client *client, const struct target *target);
/* The connection is writable for the first time: sends the upgrade request. */
void client_connected(struct client *client, const struct target *target);
/* Reads what is there and handles all complete frames. */
void client_read(struct client *client, client_message_fn on_message);
void client_send(struct client *client, const struct frame *frame, uint32_t copies);

uint64_t now_ns(void);
/* Prints the reason to stderr and exits: a benchmark with a failed client has no result. */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif
