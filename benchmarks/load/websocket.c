#define _GNU_SOURCE
#include "websocket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIN = 0x80, MASKED = 0x80, MAX_CONTROL_PAYLOAD = 125, MAX_HEAD = 14 };

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

/* {"type": 0, "nsp": "/"}, the CONNECT packet of the msgpack parser, and the part that its answers share. */
static const uint8_t MSGPACK_CONNECT[] = "\x82\xa4type\x00\xa3nsp\xa1/";
static const uint8_t MSGPACK_CONNECTED[] = "\xa4type\x00";

static const struct target *target;
static client_message_fn on_message;

static size_t frame_write(uint8_t *out, uint8_t opcode, const uint8_t *payload, size_t len) {
    uint8_t *cursor = out;
    *cursor++ = FIN | opcode;
    if (len < 126) {
        *cursor++ = MASKED | (uint8_t)len;
    } else {
        int bytes = len < 65536 ? 2 : 8;
        *cursor++ = MASKED | (bytes == 2 ? 126 : 127);
        for (int i = bytes - 1; i >= 0; i--)
            *cursor++ = (uint8_t)((uint64_t)len >> (8 * i));
    }
    memcpy(cursor, MASK, sizeof MASK);
    cursor += sizeof MASK;
    for (size_t i = 0; i < len; i++)
        *cursor++ = payload[i] ^ MASK[i & 3];
    return (size_t)(cursor - out);
}

static void grow(struct frames *frames, size_t size) {
    frames->bytes = realloc(frames->bytes, size);
    if (!frames->bytes)
        die("out of memory");
}

void frames_add(struct frames *frames, uint8_t opcode, const void *payload, size_t len) {
    grow(frames, frames->len + len + MAX_HEAD);
    frames->len += frame_write(frames->bytes + frames->len, opcode, payload, len);
}

void frames_repeat(struct frames *frames, uint32_t copies) {
    grow(frames, frames->len * copies);
    for (uint32_t i = 1; i < copies; i++)
        memcpy(frames->bytes + i * frames->len, frames->bytes, frames->len);
}

void client_send(struct client *client, const struct frames *frames, uint32_t copies) {
    conn_write(&client->conn, frames->bytes, frames->len * copies);
}

static void send_control(struct client *client, uint8_t opcode, const void *payload, size_t len) {
    uint8_t out[MAX_CONTROL_PAYLOAD + MAX_HEAD];
    if (len > MAX_CONTROL_PAYLOAD)
        die("a control frame of %zu bytes", len);
    conn_write(&client->conn, out, frame_write(out, opcode, payload, len));
}

static void send_text(struct client *client, const char *text) {
    send_control(client, OP_TEXT, text, strlen(text));
}

void client_close(struct client *client) {
    client->state = CLIENT_CLOSING;
    send_control(client, OP_CLOSE, "\x03\xe8", 2);
}

static void on_connected(struct conn *conn) {
    struct client *client = conn->owner;
    char request[2048], browser[1024] = "", sid[128] = "";
    if (target->browser_headers)
        snprintf(browser, sizeof browser, BROWSER_HEADERS, target->host, target->port, client->number, client->number);
    if (client->sid)
        snprintf(sid, sizeof sid, "&sid=%s", client->sid);
    int len = snprintf(request, sizeof request,
                       "GET /socket.io/?EIO=4&transport=websocket%s HTTP/1.1\r\n"
                       "Host: %s:%u\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       "Sec-WebSocket-Key: " WEBSOCKET_KEY "\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
                       sid, target->host, target->port, browser);
    conn_write(conn, request, (size_t)len);
}

static void ready(struct client *client) {
    client->state = CLIENT_READY;
    on_message(client, 0, NULL, 0);
}

static void handle_engine_open(struct client *client, const uint8_t *text, size_t len) {
    if (len < 2 || text[0] != '0')
        die("expected an Engine.IO OPEN packet, got %.*s", (int)len, (const char *)text);
    if (target->msgpack)
        send_control(client, OP_BINARY, MSGPACK_CONNECT, sizeof MSGPACK_CONNECT - 1);
    else
        send_text(client, "40");
    client->state = CLIENT_CONNECT;
}

static void handle_connected(struct client *client, const uint8_t *payload, size_t len) {
    bool is_connected = target->msgpack ? memmem(payload, len, MSGPACK_CONNECTED, sizeof MSGPACK_CONNECTED - 1) != NULL
                                        : len >= 2 && payload[0] == '4' && payload[1] == '0';
    if (!is_connected)
        die("expected a Socket.IO CONNECT packet, got %.*s", (int)len, (const char *)payload);
    if (client->setup) {
        send_text(client, client->setup);
        client->state = CLIENT_SETUP;
    } else {
        ready(client);
    }
}

static void handle_message(struct client *client, uint8_t opcode, const uint8_t *payload, size_t len) {
    switch (client->state) {
    case CLIENT_ENGINE_OPEN:
        handle_engine_open(client, payload, len);
        break;
    case CLIENT_PROBE:
        if (len != 6 || memcmp(payload, "3probe", 6) != 0)
            die("expected 3probe, got %.*s", (int)len, (const char *)payload);
        send_text(client, "5");
        ready(client);
        break;
    case CLIENT_CONNECT:
        handle_connected(client, payload, len);
        break;
    case CLIENT_SETUP:
        if (len != 12 || memcmp(payload, "42[\"joined\"]", 12) != 0)
            die("expected the event joined, got %.*s", (int)len, (const char *)payload);
        ready(client);
        break;
    default:
        on_message(client, opcode, payload, len);
    }
}

static void handle_frame(struct client *client, uint8_t opcode, const uint8_t *payload, size_t len) {
    if (opcode == OP_CLOSE) {
        if (client->state != CLIENT_CLOSING)
            die("the server closed the websocket, code %d", len >= 2 ? payload[0] << 8 | payload[1] : 1005);
        conn_close(&client->conn);
        client->state = CLIENT_IDLE;
        on_message(client, OP_CLOSE, NULL, 0);
    } else if (opcode == OP_PING) {
        send_control(client, OP_PONG, payload, len);
    } else if (opcode == OP_TEXT && len == 1 && payload[0] == '2') { /* Engine.IO PING */
        send_text(client, "3");
    } else if (opcode == OP_TEXT || opcode == OP_BINARY) {
        if (client->state != CLIENT_CLOSING)
            handle_message(client, opcode, payload, len);
    } else if (opcode != OP_PONG) {
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
    if (client->sid) {
        client->state = CLIENT_PROBE;
        send_text(client, "2probe");
    } else {
        client->state = CLIENT_ENGINE_OPEN;
    }
    return size;
}

/* Returns the number of bytes of the frame at `data`, 0 if its end has not arrived. */
static size_t parse_frame(struct client *client, const uint8_t *data, size_t len) {
    if (len < 2)
        return 0;
    if (data[1] & MASKED)
        die("the server sent a masked frame");
    if ((data[0] & 0xf0) != FIN)
        die("a fragmented or compressed frame: first byte 0x%02x", data[0]);
    uint64_t payload = data[1];
    size_t extra = payload == 126 ? 2 : payload == 127 ? 8 : 0;
    if (len < 2 + extra)
        return 0;
    if (extra) {
        payload = 0;
        for (size_t i = 0; i < extra; i++)
            payload = payload << 8 | data[2 + i];
    }
    size_t size = 2 + extra + (size_t)payload;
    if (len < size)
        return 0;
    handle_frame(client, data[0] & 0x0f, data + 2 + extra, (size_t)payload);
    return size;
}

static size_t on_bytes(struct conn *conn, const uint8_t *bytes, size_t len) {
    struct client *client = conn->owner;
    return client->state == CLIENT_HTTP ? parse_http(client, bytes, len) : parse_frame(client, bytes, len);
}

void client_open(struct client *client, const struct target *where, client_message_fn receive) {
    target = where;
    on_message = receive;
    client->state = CLIENT_HTTP;
    client->conn.owner = client;
    client->conn.on_connected = on_connected;
    client->conn.on_bytes = on_bytes;
    conn_open(&client->conn, where);
}
