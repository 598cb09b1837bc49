/* Non-blocking TCP connections in one epoll loop, with what is left to send and to parse. */
#ifndef NET_H
#define NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Nothing comes for so long: the server is stuck. */
enum { STALL_MS = 15000 };

struct target {
    const char *host;
    uint16_t port;
    bool browser_headers;
    bool msgpack;
    uint32_t receive_buffer; /* SO_RCVBUF in bytes, 0 for the system's own */
};

struct conn {
    int fd;
    bool connected;
    uint8_t *partial; /* received, but not enough to be parsed yet */
    size_t partial_len;
    uint8_t *unsent;
    size_t unsent_len;
    void (*on_connected)(struct conn *conn);
    /* Returns how many bytes it has used; it is called again with the rest and what follows. */
    size_t (*on_bytes)(struct conn *conn, const uint8_t *bytes, size_t len);
    /* What the connection belongs to. */
    void *owner;
};

void net_init(void);
void conn_open(struct conn *conn, const struct target *target);
void conn_write(struct conn *conn, const void *bytes, size_t len);
/* Reads no more from now on; what arrives fills the kernel's buffers. */
void conn_stop_reading(struct conn *conn);
void conn_close(struct conn *conn);
/* Waits for one round of events and handles them. `after_each` is called when a connection has been read.
 * Gives up when nothing has come for STALL_MS. Returns false when standard input, if it is watched, has ended. */
bool net_poll(int timeout_ms, void (*after_each)(void));
void net_watch_stdin(void);

uint64_t now_ns(void);
/* Prints the reason to stderr and exits: a benchmark with a failed client has no result. */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif
