/* Load generator: N Socket.IO clients in one process, one epoll loop.
 *
 *   load echo|ack|binary|msgpack HOST PORT   K messages in flight per client, its latency
 *   load bcast|bcast10|rooms HOST PORT       K broadcasts in flight in each room, counted at every client
 *   load connect HOST PORT                   connects by websocket, leaves, connects again
 *   load polling|polling-connect|polling-floor HOST PORT
 *   load idle HOST PORT                      connects, prints a line, holds until stdin ends
 *
 *   --clients N --window K --seconds T --warmup T --browser --size BYTES --rooms N
 *   --storm HZ (one more client broadcasts to all, so many times a second) --stuck (one more client stops reading)
 *
 * Prints one line of JSON. Every received message is compared with what was sent. */
#include "measure.h"
#include "polling.h"
#include "script.h"
#include "websocket.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECTS_AT_ONCE = 64, STORM_BYTES = 4096, STUCK_RECEIVE_BUFFER = 4096 };

static struct {
    const char *workload;
    struct target target;
    uint32_t clients, window, size, rooms;
    double seconds, warmup, storm;
    bool stuck;
} options = {.clients = 100, .window = 1, .seconds = 3, .warmup = 1, .size = 1024, .rooms = 1};

static struct script script, storm;
static struct client *clients;
static uint32_t total; /* those that make a storm or are stuck are the last */
static uint32_t started, ready;
static uint64_t outstanding[MAX_GROUPS]; /* deliveries of broadcasts that are still to come, by group */
static uint32_t group_sizes[MAX_GROUPS];
static struct client *reader; /* the client being read, and what it got in this read */
static uint32_t replies;
static uint64_t next_storm;

static bool is_stuck(const struct client *client) {
    return options.stuck && client->number == total - 1;
}

static bool is_measured(const struct client *client) {
    return client->number < options.clients;
}

static void on_message(struct client *client, uint8_t opcode, const uint8_t *payload, size_t len);

static void connect_next(void) {
    if (started == total)
        return;
    static struct target narrow;
    struct client *client = &clients[started];
    client->number = started++;
    client->setup = is_measured(client) ? script.setups[client->number % script.groups] : NULL;
    narrow = options.target;
    narrow.receive_buffer = is_stuck(client) ? STUCK_RECEIVE_BUFFER : 0;
    client_open(client, &narrow, on_message);
}

static void on_reply(struct client *client) {
    if (script.broadcast) {
        uint32_t group = client->number % script.groups;
        measure_count(1);
        if (!outstanding[group])
            die("more deliveries than were asked for");
        outstanding[group]--;
    } else {
        reader = client;
        replies++;
    }
}

static void on_message(struct client *client, uint8_t opcode, const uint8_t *payload, size_t len) {
    if (!payload) {
        ready++;
        if (is_stuck(client))
            conn_stop_reading(&client->conn);
        connect_next();
        return;
    }
    if (storm.parts && part_equals(&storm.reply[0], opcode, payload, len))
        return;
    if (phase == PHASE_CONNECT || !is_measured(client))
        die("a message before any was sent: %.*s", (int)(len < 200 ? len : 200), (const char *)payload);
    script_check(&script, client, opcode, payload, len);
    if (client->part == 0)
        on_reply(client);
}

/* Everything read from a client in one go is answered in one go. */
static void answer_replies(void) {
    if (!replies)
        return;
    if (replies > options.window)
        die("more answers than were asked for");
    uint64_t now = now_ns();
    measure_count(replies);
    for (uint32_t i = 0; i < replies; i++) {
        measure_latency(reader->sent_at[reader->oldest], now);
        reader->sent_at[reader->oldest] = now; /* the next request takes this place in the ring */
        reader->oldest = (reader->oldest + 1) % options.window;
    }
    if (phase != PHASE_DONE)
        client_send(reader, &script.requests[0], replies);
    replies = 0;
}

/* A new broadcast takes the place of one that has reached every client of its group. */
static void refill_broadcasts(void) {
    for (uint32_t group = 0; group < script.groups; group++) {
        uint64_t deliveries = (uint64_t)group_sizes[group] * script.replies;
        while (phase != PHASE_DONE && outstanding[group] + deliveries <= options.window * deliveries) {
            client_send(&clients[group], &script.requests[group], 1);
            outstanding[group] += deliveries;
        }
    }
}

static void start_load(void) {
    if (script.broadcast) {
        for (uint32_t i = 0; i < options.clients; i++)
            group_sizes[i % script.groups]++;
        refill_broadcasts();
        return;
    }
    for (uint32_t i = 0; i < options.clients; i++) {
        clients[i].sent_at = malloc(options.window * sizeof *clients[i].sent_at);
        if (!clients[i].sent_at)
            die("out of memory");
        for (uint32_t j = 0; j < options.window; j++)
            clients[i].sent_at[j] = now_ns();
        client_send(&clients[i], &script.requests[0], options.window);
    }
}

/* Sends the storm's broadcasts that are due; returns the milliseconds until the next, or `limit`. */
static int send_storm(int limit) {
    if (options.storm <= 0)
        return limit;
    uint64_t now = now_ns(), period = (uint64_t)(1e9 / options.storm);
    if (!next_storm)
        next_storm = now;
    while (next_storm <= now) {
        client_send(&clients[options.clients], &storm.requests[0], 1);
        next_storm += period;
    }
    uint64_t wait = (next_storm - now) / 1000000 + 1;
    return wait < (uint64_t)limit ? (int)wait : limit;
}

static void begin_connecting(void) {
    clients = calloc(total, sizeof *clients);
    if (!clients)
        die("out of memory");
    for (int i = 0; i < CONNECTS_AT_ONCE; i++)
        connect_next();
}

static void run_messages(void) {
    total = options.clients + (options.storm > 0) + options.stuck;
    if (options.storm > 0)
        script_storm(&storm, STORM_BYTES);
    begin_connecting();
    while (ready < total)
        net_poll(STALL_MS, NULL);
    measure_start();
    start_load();
    while (phase != PHASE_DONE) {
        net_poll(send_storm(measure_wait(STALL_MS)), answer_replies);
        measure_tick();
        if (script.broadcast)
            refill_broadcasts();
    }
    measure_print();
}

static void on_connect(struct client *client, uint8_t opcode, const uint8_t *payload, size_t len) {
    (void)payload, (void)len;
    if (opcode == OP_CLOSE) {
        client_open(client, &options.target, on_connect);
    } else {
        measure_count(1);
        client_close(client);
    }
}

static void run_connects(void) {
    clients = calloc(options.clients, sizeof *clients);
    if (!clients)
        die("out of memory");
    measure_start();
    for (uint32_t i = 0; i < options.clients; i++)
        client_open(&clients[i], &options.target, on_connect);
    while (phase != PHASE_DONE) {
        net_poll(measure_wait(STALL_MS), NULL);
        measure_tick();
    }
    measure_print();
}

static void run_idle(void) {
    script.groups = 1;
    total = options.clients;
    uint64_t start = now_ns();
    begin_connecting();
    while (ready < total)
        net_poll(STALL_MS, NULL);
    printf("{\"connected\": %u, \"connect_seconds\": %.4f}\n", ready, (double)(now_ns() - start) / 1e9);
    net_watch_stdin();
    while (net_poll(-1, NULL))
        continue;
}

static void usage(void) {
    die("usage: load WORKLOAD HOST PORT [options]; see the head of load.c");
}

static void parse_options(int argc, char **argv) {
    static const struct option names[] = {
        {"clients", required_argument, NULL, 'c'}, {"window", required_argument, NULL, 'w'},
        {"seconds", required_argument, NULL, 's'}, {"warmup", required_argument, NULL, 'u'},
        {"browser", no_argument, NULL, 'b'},       {"size", required_argument, NULL, 'z'},
        {"rooms", required_argument, NULL, 'r'},   {"storm", required_argument, NULL, 't'},
        {"stuck", no_argument, NULL, 'k'},         {NULL, 0, NULL, 0},
    };
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (option) {
        case 'c': options.clients = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'w': options.window = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 's': options.seconds = strtod(optarg, NULL); break;
        case 'u': options.warmup = strtod(optarg, NULL); break;
        case 'b': options.target.browser_headers = true; break;
        case 'z': options.size = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'r': options.rooms = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 't': options.storm = strtod(optarg, NULL); break;
        case 'k': options.stuck = true; break;
        default: usage();
        }
    }
    if (argc - optind != 3 || !options.clients || !options.window || !options.rooms)
        usage();
    options.workload = argv[optind];
    options.target.host = argv[optind + 1];
    options.target.port = (uint16_t)strtoul(argv[optind + 2], NULL, 10);
    options.target.msgpack = strcmp(options.workload, "msgpack") == 0;
}

int main(int argc, char **argv) {
    parse_options(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, 0);
    net_init();
    measure_init(options.warmup, options.seconds);
    const char *workload = options.workload;
    if (strcmp(workload, "idle") == 0)
        run_idle();
    else if (strcmp(workload, "connect") == 0)
        run_connects();
    else if (strcmp(workload, "polling") == 0)
        polling_echo(options.clients, &options.target);
    else if (strcmp(workload, "polling-connect") == 0)
        polling_connects(options.clients, &options.target);
    else if (strcmp(workload, "polling-floor") == 0)
        polling_floor(options.clients, &options.target);
    else if (script_write(&script, workload, options.size, options.rooms, options.window))
        run_messages();
    else
        usage();
    return 0;
}
