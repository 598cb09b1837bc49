#define _GNU_SOURCE
#include "polling.h"

#include "http.h"
#include "measure.h"
#include "websocket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ECHO "42[\"echo\",{\"room\":\"lobby\",\"text\":\"hello!\"}]"

enum step { STEP_OPEN, STEP_CONNECT, STEP_CONNECTED, STEP_ECHO };

struct poller {
    struct http get, post; /* a browser, too, uses a connection for each */
    enum step step;
    int waiting; /* answers to the POST and the GET that are under way */
    char sid[64], query[80];
    uint64_t sent_at;
    struct client websocket;
};

static const struct target *target;
static uint32_t total, ready;
static bool upgrades;

/* Sends a POST and polls; `advance` goes on when both are answered. */
static void exchange(struct poller *poller, const char *body) {
    poller->waiting = 2;
    http_request(&poller->post, poller->query, body);
    http_request(&poller->get, poller->query, NULL);
}

static void echo(struct poller *poller) {
    poller->step = STEP_ECHO;
    poller->sent_at = now_ns();
    exchange(poller, ECHO);
}

static void read_sid(struct poller *poller, const char *body, size_t len) {
    const char *sid = memmem(body, len, "\"sid\":\"", 7);
    const char *end = sid ? memchr(sid + 7, '"', len - (size_t)(sid + 7 - body)) : NULL;
    if (!end || (size_t)(end - sid - 7) >= sizeof poller->sid)
        die("expected an Engine.IO handshake, got %.*s", (int)len, body);
    snprintf(poller->sid, sizeof poller->sid, "%.*s", (int)(end - sid - 7), sid + 7);
    snprintf(poller->query, sizeof poller->query, "&sid=%s", poller->sid);
}

static void on_websocket(struct client *client, uint8_t opcode, const uint8_t *payload, size_t len) {
    (void)payload, (void)len;
    if (opcode == 0) {
        client_close(client);
        measure_count(1);
    }
}

static void start(struct poller *poller) {
    poller->step = STEP_OPEN;
    http_request(&poller->get, "", NULL);
}

static void advance(struct poller *poller) {
    if (--poller->waiting)
        return;
    if (poller->step == STEP_ECHO) {
        if (phase != PHASE_DONE)
            echo(poller);
        return;
    }
    poller->step = STEP_CONNECTED;
    if (upgrades) {
        poller->websocket.sid = poller->sid;
        client_open(&poller->websocket, target, on_websocket);
    } else if (++ready == total) {
        measure_start();
    }
}

static void on_get(struct http *http, const char *body, size_t len) {
    struct poller *poller = http->owner;
    if (poller->step == STEP_OPEN) {
        read_sid(poller, body, len);
        poller->step = STEP_CONNECT;
        exchange(poller, "40");
        return;
    }
    if (poller->step == STEP_CONNECT) {
        if (len < 2 || memcmp(body, "40", 2) != 0)
            die("expected a Socket.IO CONNECT packet, got %.*s", (int)len, body);
    } else if (len == strlen(ECHO) && memcmp(body, ECHO, len) == 0) {
        measure_count(1);
        measure_latency(poller->sent_at, now_ns());
    } else {
        die("expected %s, got %.*s", ECHO, (int)len, body);
    }
    advance(poller);
}

static void on_post(struct http *http, const char *body, size_t len) {
    if (len != 2 || strncasecmp(body, "ok", 2) != 0)
        die("expected ok, got %.*s", (int)len, body);
    advance(http->owner);
}

static struct poller *open_pollers(uint32_t count, const struct target *where) {
    struct poller *pollers = calloc(count, sizeof *pollers);
    if (!pollers)
        die("out of memory");
    target = where;
    total = count;
    for (uint32_t i = 0; i < count; i++) {
        pollers[i].websocket.number = i;
        pollers[i].get.on_answer = on_get;
        pollers[i].post.on_answer = on_post;
        pollers[i].get.owner = pollers[i].post.owner = &pollers[i];
        http_open(&pollers[i].get, where);
        http_open(&pollers[i].post, where);
    }
    return pollers;
}

static void run(void) {
    while (phase != PHASE_DONE) {
        net_poll(measure_wait(STALL_MS), NULL);
        measure_tick();
    }
    measure_print();
}

void polling_echo(uint32_t clients, const struct target *where) {
    struct poller *pollers = open_pollers(clients, where);
    for (uint32_t i = 0; i < clients; i++)
        start(&pollers[i]);
    while (phase == PHASE_CONNECT)
        net_poll(STALL_MS, NULL);
    for (uint32_t i = 0; i < clients; i++)
        echo(&pollers[i]);
    run();
}

void polling_connects(uint32_t clients, const struct target *where) {
    upgrades = true;
    struct poller *pollers = open_pollers(clients, where);
    measure_start();
    for (uint32_t i = 0; i < clients; i++)
        start(&pollers[i]);
    while (phase != PHASE_DONE) {
        net_poll(measure_wait(STALL_MS), NULL);
        measure_tick();
        for (uint32_t i = 0; i < clients; i++)
            if (pollers[i].step == STEP_CONNECTED && pollers[i].websocket.state == CLIENT_IDLE)
                start(&pollers[i]);
    }
    measure_print();
}

static void on_floor(struct http *http, const char *body, size_t len) {
    (void)body, (void)len;
    struct poller *poller = http->owner;
    measure_count(1);
    measure_latency(poller->sent_at, now_ns());
    poller->sent_at = now_ns();
    http_get(http, "/");
}

void polling_floor(uint32_t clients, const struct target *where) {
    struct poller *pollers = open_pollers(clients, where);
    measure_start();
    for (uint32_t i = 0; i < clients; i++) {
        pollers[i].get.on_answer = on_floor;
        pollers[i].sent_at = now_ns();
        http_get(&pollers[i].get, "/");
    }
    run();
}
