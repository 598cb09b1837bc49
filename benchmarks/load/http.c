#define _GNU_SOURCE
#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_connected(struct conn *conn) {
    struct http *http = conn->owner;
    conn_write(conn, http->queued, strlen(http->queued));
    http->queued[0] = 0;
}

static void send_request(struct http *http, const char *request, int len, size_t room) {
    if (len < 0 || (size_t)len >= room)
        die("a request that is too long");
    if (http->conn.connected)
        conn_write(&http->conn, request, (size_t)len);
    else
        memcpy(http->queued, request, (size_t)len + 1);
}

void http_request(struct http *http, const char *query, const char *body) {
    char request[sizeof http->queued], head[128] = "";
    if (body)
        snprintf(head, sizeof head, "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %zu\r\n", strlen(body));
    int len = snprintf(request, sizeof request,
                       "%s /socket.io/?EIO=4&transport=polling%s HTTP/1.1\r\nHost: %s:%u\r\nAccept: */*\r\n%s\r\n%s",
                       body ? "POST" : "GET", query, http->target->host, http->target->port, head, body ? body : "");
    send_request(http, request, len, sizeof request);
}

void http_get(struct http *http, const char *path) {
    char request[sizeof http->queued];
    int len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s:%u\r\nAccept: */*\r\n\r\n", path,
                       http->target->host, http->target->port);
    send_request(http, request, len, sizeof request);
}

/* Unpacks a chunked body in place; returns what it and its end take, or 0 if the end has not arrived. */
static size_t unpack_chunks(char *body, size_t len, size_t *unpacked) {
    size_t at = 0;
    *unpacked = 0;
    for (;;) {
        char *line_end = memmem(body + at, len - at, "\r\n", 2);
        if (!line_end)
            return 0;
        size_t size = strtoul(body + at, NULL, 16);
        size_t start = (size_t)(line_end - body) + 2;
        if (len < start + size + 2)
            return 0;
        memmove(body + *unpacked, body + start, size);
        *unpacked += size;
        at = start + size + 2;
        if (!size)
            return at;
    }
}

static const char *find_header(const char *head, size_t len, const char *name) {
    for (const char *line = head; (line = memmem(line, len - (size_t)(line - head), "\r\n", 2));) {
        line += 2;
        if (strncasecmp(line, name, strlen(name)) == 0)
            return line + strlen(name);
    }
    return NULL;
}

static size_t on_bytes(struct conn *conn, const uint8_t *bytes, size_t len) {
    struct http *http = conn->owner;
    const char *head = (const char *)bytes;
    const char *end = memmem(head, len, "\r\n\r\n", 4);
    if (!end)
        return 0;
    size_t size = (size_t)(end - head) + 4;
    if (memcmp(head, "HTTP/1.1 200", 12) != 0)
        die("the server answered: %.*s", (int)strcspn(head, "\r"), head);
    const char *length = find_header(head, size, "content-length:");
    if (length) {
        size_t body = strtoul(length, NULL, 10);
        if (len < size + body)
            return 0;
        http->on_answer(http, head + size, body);
        return size + body;
    }
    if (!find_header(head, size, "transfer-encoding:"))
        die("an answer without Content-Length");
    /* The chunks are copied: what is unpacked in place could not be read again if the end is missing. */
    size_t unpacked, room = len - size;
    char *copy = malloc(room ? room : 1);
    if (!copy)
        die("out of memory");
    memcpy(copy, head + size, room);
    size_t used = unpack_chunks(copy, room, &unpacked);
    if (used)
        http->on_answer(http, copy, unpacked);
    free(copy);
    return used ? size + used : 0;
}

void http_open(struct http *http, const struct target *target) {
    http->target = target;
    http->conn.owner = http;
    http->conn.on_connected = on_connected;
    http->conn.on_bytes = on_bytes;
    conn_open(&http->conn, target);
}
