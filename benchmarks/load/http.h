/* One HTTP/1.1 connection that is kept alive: a request, its answer, the next request. */
#ifndef HTTP_H
#define HTTP_H

#include "net.h"

struct http {
    struct conn conn;
    const struct target *target;
    char queued[1024]; /* the request that waits until the connection is there */
    /* Called with the body of an answer, whose status was 200. */
    void (*on_answer)(struct http *http, const char *body, size_t len);
    void *owner;
};

void http_open(struct http *http, const struct target *target);
/* Sends a GET, or with a body a POST. `query` follows /socket.io/?EIO=4&transport=polling */
void http_request(struct http *http, const char *query, const char *body);
/* Sends a GET to a path of the server's. */
void http_get(struct http *http, const char *path);

#endif
