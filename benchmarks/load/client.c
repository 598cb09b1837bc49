#define _GNU_SOURCE
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { OP_TEXT = 1, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };
enum { FIN = 0x80, MASKED = 0x80, MAX_CONTROL_PAYLOAD = 125 };
enum { READ_SIZE = 256 * 1024, PARTIAL_MAX = 1024 * 1024 };

/* The key of RFC 6455 section 1.3, whose accept value is known: no SHA-1 is needed here. */
#define WEBSOCKET_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define WEBSOCKET_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

/* Not zero, so that no server can skip unmasking. */
static const uint8_t MASK[4] = {0x37, 0xfa, 0x21, 0x3d};

/* As a browser sends them, but for Sec-WebSocket-Extensions: this client can't inflate.
 * No two clients have the same User-Agent and Cookie: a server that keeps equal values once must not look better
 * here than in the field. */
#define BROWSER_HEADERS                                                                                             \
    "Origin: http://%s:%u\r\n"                                                                                      \
    "Pragma: no-cache\r\n"                                                                                          \
    "Cache-Control: no-cache\r\n"                                                                                   \
    "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "                 \
    "Chrome/126.0.%u.0 Safari/537.36\r\n"                                                                           \
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"                                                                  \
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"                                                                  \
    "Cookie: session=eyJfZnJlc2giOmZhbHNlLCJjc3JmX3Rva2VuIjoiNzE0ZTQ5ZmUxIn0.ZmFsc2U.uS9rGqJx0h7dYw%08u\r\n"

static uint8_t buffer[PARTIAL_MAX + READ_SIZE];

uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static size_t frame_write(uint8_t *out, uint8_t opcode, const uint8_t *payload, size_t len) {
    uint8_t *cursor = out;
    *cursor++ = FIN | opcode;
    if (len < 126) {
        *cursor++ = MASKED | (uint8_t)len;
    } else if (len < 65536) {
        *cursor++ = MASKED | 126;
        *cursor++ = (uint8_t)(len >> 8);
        *cursor++ = (uint8_t)len;
    } else {
        die("a message of %zu bytes is not supported", len);
    }
    memcpy(cursor, MASK, sizeof MASK);
    cursor += sizeof MASK;
    for (size_t i = 0; i < len; i++)
        *cursor++ = payload[i] ^ MASK[i & 3];
    return (size_t)(cursor - out);
}

struct frame frame_build(const char *text, uint32_t copies) {
    size_t len = strlen(text);
    struct frame frame = {.bytes = malloc((len + 14) * copies), .copies = copies};
    if (!frame.bytes)
        die("out of memory");
    frame.len = frame_write(frame.bytes, OP_TEXT, (const uint8_t *)text, len);
    for (uint32_t i = 1; i < copies; i++)
        memcpy(frame.bytes + i * frame.len, frame.bytes, frame.len);
    return frame;
}

static void write_all(struct client *client, const void *bytes, size_t len) {
    ssize_t sent = send(client->fd, bytes, len, MSG_NOSIGNAL);
    if (sent < 0)
        die("send: %s", strerror(errno));
    if ((size_t)sent != len)
        die("the server does not read: socket buffer full");
}

void client_send(struct client *client, const struct frame *frame, uint32_t copies) {
    write_all(client, frame->bytes, frame->len * copies);
}

void client_connect(struct client *client, const struct target *target) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(target->port)};
    if (inet_pton(AF_INET, target->host, &address.sin_addr) != 1)
        die("%s is not an IPv4 address", target->host);
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        die("socket: %s", strerror(errno));
    int on = 1;
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(client->fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS)
        die("connect: %s", strerror(errno));
    client->state = CLIENT_CONNECTING;
}

void client_connected(struct client *client, const struct target *target) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error)
        die("connect: %s", strerror(error));
    char request[2048], browser[1024] = "";
    if (target->browser_headers)
        snprintf(browser, sizeof browser, BROWSER_HEADERS, target->host, target->port, client->number, client->number);
    int len = snprintf(request, sizeof request,
                       "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
                       "Host: %s:%u\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       "Sec-WebSocket-Key: " WEBSOCKET_KEY "\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
                       target->host, target->port, browser);
    write_all(client, request, (size_t)len);
    client->state = CLIENT_HTTP;
}

static void send_text(struct client *client, const char *text) {
    uint8_t out[MAX_CONTROL_PAYLOAD + 14];
    write_all(client, out, frame_write(out, OP_TEXT, (const uint8_t *)text, strlen(text)));
}

static void handle_text(struct client *client, const uint8_t *text, size_t len, client_message_fn on_message) {
    if (len == 1 && text[0] == '2') { /* Engine.IO PING */
        send_text(client, "3");
        return;
    }
    switch (client->state) {
    case CLIENT_ENGINE_OPEN:
        if (len < 2 || text[0] != '0')
            die("expected an Engine.IO OPEN packet, got %.*s", (int)len, (const char *)text);
        send_text(client, "40");
        client->state = CLIENT_CONNECT;
        break;
    case CLIENT_CONNECT:
        if (len < 2 || text[0] != '4' || text[1] != '0')
            die("expected a Socket.IO CONNECT packet, got %.*s", (int)len, (const char *)text);
        client->state = CLIENT_READY;
        on_message(client, NULL, 0);
        break;
    default:
        on_message(client, text, len);
    }
}

static void handle_frame(struct client *client, uint8_t opcode, const uint8_t *payload, size_t len,
                         client_message_fn on_message) {
    uint8_t out[MAX_CONTROL_PAYLOAD + 14];
    switch (opcode) {
    case OP_TEXT:
        handle_text(client, payload, len, on_message);
        break;
    case OP_PING:
        if (len > MAX_CONTROL_PAYLOAD)
            die("oversize websocket ping");
        write_all(client, out, frame_write(out, OP_PONG, payload, len));
        break;
    case OP_PONG:
        break;
    case OP_CLOSE:
        die("the server closed the websocket, code %d", len >= 2 ? payload[0] << 8 | payload[1] : 1005);
    default:
        die("unexpected websocket opcode %d", opcode);
    }
}

/* Returns the number of bytes of the HTTP answer at `data`, 0 if its end has not arrived. */
static size_t parse_http(struct client *client, const uint8_t *data, size_t len) {
    const uint8_t *end = memmem(data, len, "\r\n\r\n", 4);
    if (!end)
        return 0;
    size_t size = (size_t)(end - data) + 4;
    if (memcmp(data, "HTTP/1.1 101", 12) != 0 || !memmem(data, size, WEBSOCKET_ACCEPT, strlen(WEBSOCKET_ACCEPT)))
        die("the upgrade was refused: %.*s", (int)strcspn((const char *)data, "\r"), (const char *)data);
    client->state = CLIENT_ENGINE_OPEN;
    return size;
}

/* Returns the number of bytes of the frame at `data`, 0 if its end has not arrived. */
static size_t parse_frame(struct client *client, const uint8_t *data, size_t len, client_message_fn on_message) {
    if (len < 2)
        return 0;
    size_t head = 2;
    uint64_t payload = data[1];
    if (payload & MASKED)
        die("the server sent a masked frame");
    if (payload == 126) {
        head = 4;
        if (len < head)
            return 0;
        payload = (uint64_t)data[2] << 8 | data[3];
    } else if (payload == 127) {
        die("a message above 64 KB is not supported");
    }
    if (len < head + payload)
        return 0;
    if ((data[0] & 0xf0) != FIN)
        die("a fragmented or compressed frame: first byte 0x%02x", data[0]);
    handle_frame(client, data[0] & 0x0f, data + head, (size_t)payload, on_message);
    return head + (size_t)payload;
}

static void keep_partial(struct client *client, const uint8_t *rest, size_t len) {
    if (len > PARTIAL_MAX)
        die("an unfinished frame of %zu bytes", len);
    client->partial = malloc(len);
    if (!client->partial)
        die("out of memory");
    memcpy(client->partial, rest, len);
    client->partial_len = len;
}

static size_t take_partial(struct client *client) {
    size_t len = client->partial_len;
    if (!len)
        return 0;
    memcpy(buffer, client->partial, len);
    free(client->partial);
    client->partial = NULL;
    client->partial_len = 0;
    return len;
}

void client_read(struct client *client, client_message_fn on_message) {
    ssize_t got = recv(client->fd, buffer + client->partial_len, READ_SIZE, 0);
    if (got < 0) {
        if (errno == EAGAIN || errno == EINTR)
            return;
        die("recv: %s", strerror(errno));
    }
    if (got == 0)
        die("the server closed a connection in state %d", client->state);
    size_t len = take_partial(client) + (size_t)got;
    size_t done = 0;
    while (done < len) {
        size_t used = client->state == CLIENT_HTTP ? parse_http(client, buffer + done, len - done)
                                                   : parse_frame(client, buffer + done, len - done, on_message);
        if (!used)
            break;
        done += used;
    }
    if (done < len)
        keep_partial(client, buffer + done, len - done);
}
