/* Load generator: N Socket.IO clients over websockets in one process, one epoll loop.
 *
 *   load echo  HOST PORT --clients N --window K --seconds T   K messages in flight per client
 *   load bcast HOST PORT --clients N --window W --seconds T   W broadcasts in flight, counted at every client
 *   load idle  HOST PORT --clients N                          connects, prints a line, holds until stdin ends
 *
 * Prints one line of JSON. Every received message is compared with what was sent. */
#include "client.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum { CONNECTS_AT_ONCE = 64, EVENTS_AT_ONCE = 512 };
enum { LATENCY_BUCKETS = 2 * 1000 * 1000 }; /* one per microsecond; the last takes all that is slower */
enum { STALL_MS = 15000 };

/* 32 bytes of JSON. */
#define ARGUMENT "{\"room\":\"lobby\",\"text\":\"hello!\"}"

enum phase { PHASE_CONNECT, PHASE_WARMUP, PHASE_MEASURE, PHASE_DONE };
enum workload { WORKLOAD_ECHO, WORKLOAD_BCAST, WORKLOAD_IDLE };

static struct {
    enum workload workload;
    struct target target;
    uint32_t clients;
    uint32_t window;
    double seconds;
    double warmup;
} options = {.clients = 100, .window = 1, .seconds = 3, .warmup = 1};

static struct client *clients;
static uint32_t started, ready;
static int epoll_fd;
static enum phase phase;

static const char *expected;
static size_t expected_len;
static struct frame request;

static uint64_t received;           /* messages within PHASE_MEASURE */
static uint64_t outstanding;        /* deliveries of broadcasts that are still to come */
static struct client *reader;       /* the client being read, and what it got in this read */
static uint32_t replies;
static uint32_t *latencies;

static uint64_t phase_end, measure_start, measure_end, connect_start, connect_end;
static double cpu_start, cpu_used;

static double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void connect_next(void) {
    if (started == options.clients)
        return;
    struct client *client = &clients[started];
    client->number = started++;
    client_connect(client, &options.target);
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = client};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, client->fd, &event) < 0)
        die("epoll_ctl: %s", strerror(errno));
}

static void watch_reads(struct client *client) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, client->fd, &event) < 0)
        die("epoll_ctl: %s", strerror(errno));
}

static void record_latency(struct client *client, uint64_t now) {
    uint64_t micros = (now - client->sent_at[client->oldest]) / 1000;
    client->sent_at[client->oldest] = now; /* the next request takes this place in the ring */
    client->oldest = (client->oldest + 1) % options.window;
    if (phase == PHASE_MEASURE)
        latencies[micros < LATENCY_BUCKETS ? micros : LATENCY_BUCKETS - 1]++;
}

static void on_message(struct client *client, const uint8_t *text, size_t len) {
    if (!text) {
        ready++;
        connect_next();
        return;
    }
    if (len != expected_len || memcmp(text, expected, len) != 0)
        die("expected %s, got %.*s", expected, (int)len, (const char *)text);
    if (phase == PHASE_CONNECT)
        die("a message before any was sent");
    received += phase == PHASE_MEASURE;
    if (options.workload == WORKLOAD_ECHO) {
        reader = client;
        replies++;
    } else {
        if (!outstanding)
            die("more deliveries than were asked for");
        outstanding--;
    }
}

/* Everything read from an echo client in one go is answered in one go. */
static void answer_echoes(void) {
    if (!replies)
        return;
    if (replies > options.window)
        die("more echoes than were asked for");
    uint64_t now = now_ns();
    for (uint32_t i = 0; i < replies; i++)
        record_latency(reader, now);
    if (phase != PHASE_DONE)
        client_send(reader, &request, replies);
    replies = 0;
}

/* A new broadcast takes the place of one that has reached every client. */
static void refill_broadcasts(void) {
    while (phase != PHASE_DONE && outstanding + options.clients <= (uint64_t)options.window * options.clients) {
        client_send(&clients[0], &request, 1);
        outstanding += options.clients;
    }
}

static void start_load(void) {
    if (options.workload == WORKLOAD_BCAST) {
        refill_broadcasts();
        return;
    }
    for (uint32_t i = 0; i < options.clients; i++) {
        clients[i].sent_at = malloc(options.window * sizeof *clients[i].sent_at);
        if (!clients[i].sent_at)
            die("out of memory");
        for (uint32_t j = 0; j < options.window; j++)
            clients[i].sent_at[j] = now_ns();
        client_send(&clients[i], &request, options.window);
    }
}

static void next_phase(uint64_t now) {
    if (phase == PHASE_CONNECT && ready == options.clients) {
        connect_end = now;
        phase = PHASE_WARMUP;
        phase_end = now + (uint64_t)(options.warmup * 1e9);
        start_load();
    } else if (phase == PHASE_WARMUP && now >= phase_end) {
        phase = PHASE_MEASURE;
        measure_start = now;
        phase_end = now + (uint64_t)(options.seconds * 1e9);
        cpu_start = cpu_seconds();
        puts("measuring");
    } else if (phase == PHASE_MEASURE && now >= phase_end) {
        phase = PHASE_DONE;
        measure_end = now;
        cpu_used = cpu_seconds() - cpu_start;
    }
}

/* Returns false when standard input (watched in the idle workload only) has ended. */
static bool poll_once(void) {
    struct epoll_event events[EVENTS_AT_ONCE];
    bool holding = options.workload == WORKLOAD_IDLE && ready == options.clients;
    int count = epoll_wait(epoll_fd, events, EVENTS_AT_ONCE, holding ? -1 : STALL_MS);
    if (count < 0 && errno != EINTR)
        die("epoll_wait: %s", strerror(errno));
    if (count == 0)
        die("nothing came for %d s: %u of %u clients ready", STALL_MS / 1000, ready, options.clients);
    for (int i = 0; i < count; i++) {
        struct client *client = events[i].data.ptr;
        if (!client)
            return false;
        if (client->state == CLIENT_CONNECTING) {
            client_connected(client, &options.target);
            watch_reads(client);
        } else {
            client_read(client, on_message);
            answer_echoes();
        }
    }
    if (options.workload == WORKLOAD_BCAST && phase != PHASE_CONNECT)
        refill_broadcasts();
    return true;
}

static uint32_t percentile(double share) {
    uint64_t rank = (uint64_t)(share * (double)received), seen = 0;
    for (uint32_t micros = 0; micros < LATENCY_BUCKETS; micros++) {
        seen += latencies[micros];
        if (seen > rank)
            return micros;
    }
    return LATENCY_BUCKETS - 1;
}

static void run_rate(void) {
    while (phase != PHASE_DONE) {
        poll_once();
        next_phase(now_ns());
    }
    double elapsed = (double)(measure_end - measure_start) / 1e9;
    printf("{\"messages\": %llu, \"seconds\": %.4f, \"rate\": %.1f, \"load_cpu\": %.4f, \"connect_seconds\": %.4f",
           (unsigned long long)received, elapsed, (double)received / elapsed, cpu_used / elapsed,
           (double)(connect_end - connect_start) / 1e9);
    if (options.workload == WORKLOAD_ECHO)
        printf(", \"latency_us\": {\"p50\": %u, \"p90\": %u, \"p99\": %u, \"p999\": %u}", percentile(0.5),
               percentile(0.9), percentile(0.99), percentile(0.999));
    puts("}");
}

static void run_idle(void) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &event) < 0)
        die("standard input must be a pipe");
    bool announced = false;
    while (poll_once()) {
        if (ready < options.clients || announced)
            continue;
        printf("{\"connected\": %u, \"connect_seconds\": %.4f}\n", ready, (double)(now_ns() - connect_start) / 1e9);
        announced = true;
    }
}

static void usage(void) {
    die("usage: load echo|bcast|idle HOST PORT [--clients N] [--window K] [--seconds T] [--warmup T] [--browser]");
}

static void parse_options(int argc, char **argv) {
    static const struct option names[] = {
        {"clients", required_argument, NULL, 'c'}, {"window", required_argument, NULL, 'w'},
        {"seconds", required_argument, NULL, 's'}, {"warmup", required_argument, NULL, 'u'},
        {"browser", no_argument, NULL, 'b'},       {NULL, 0, NULL, 0},
    };
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (option) {
        case 'c': options.clients = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'w': options.window = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 's': options.seconds = strtod(optarg, NULL); break;
        case 'u': options.warmup = strtod(optarg, NULL); break;
        case 'b': options.target.browser_headers = true; break;
        default: usage();
        }
    }
    if (argc - optind != 3 || !options.clients || !options.window)
        usage();
    const char *workload = argv[optind];
    if (strcmp(workload, "echo") == 0)
        options.workload = WORKLOAD_ECHO;
    else if (strcmp(workload, "bcast") == 0)
        options.workload = WORKLOAD_BCAST;
    else if (strcmp(workload, "idle") == 0)
        options.workload = WORKLOAD_IDLE;
    else
        usage();
    options.target.host = argv[optind + 1];
    options.target.port = (uint16_t)strtoul(argv[optind + 2], NULL, 10);
}

int main(int argc, char **argv) {
    parse_options(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, 0);
    expected = options.workload == WORKLOAD_ECHO ? "42[\"echo\"," ARGUMENT "]" : "42[\"bcast\"," ARGUMENT "]";
    expected_len = strlen(expected);
    request = frame_build(expected, options.window);
    clients = calloc(options.clients, sizeof *clients);
    latencies = calloc(LATENCY_BUCKETS, sizeof *latencies);
    if (!clients || !latencies)
        die("out of memory");
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll_create1: %s", strerror(errno));
    connect_start = now_ns();
    for (int i = 0; i < CONNECTS_AT_ONCE; i++)
        connect_next();
    if (options.workload == WORKLOAD_IDLE)
        run_idle();
    else
        run_rate();
    return 0;
}
