#define _GNU_SOURCE
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_SIZE = 256 * 1024, PARTIAL_MAX = 1024 * 1024, EVENTS_AT_ONCE = 512 };

static int epoll_fd = -1;
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

void net_init(void) {
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll_create1: %s", strerror(errno));
}

static void control(int operation, int fd, uint32_t events, struct conn *conn) {
    struct epoll_event event = {.events = events, .data.ptr = conn};
    if (epoll_ctl(epoll_fd, operation, fd, &event) < 0)
        die("epoll_ctl: %s", strerror(errno));
}

void net_watch_stdin(void) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &event) < 0)
        die("standard input must be a pipe");
}

void conn_open(struct conn *conn, const struct target *target) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(target->port)};
    if (inet_pton(AF_INET, target->host, &address.sin_addr) != 1)
        die("%s is not an IPv4 address", target->host);
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0)
        die("socket: %s", strerror(errno));
    int on = 1;
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (target->receive_buffer)
        setsockopt(conn->fd, SOL_SOCKET, SO_RCVBUF, &target->receive_buffer, sizeof target->receive_buffer);
    if (connect(conn->fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS)
        die("connect: %s", strerror(errno));
    conn->connected = false;
    control(EPOLL_CTL_ADD, conn->fd, EPOLLOUT, conn);
}

static void finish_connect(struct conn *conn) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error)
        die("connect: %s", strerror(error));
    conn->connected = true;
    control(EPOLL_CTL_MOD, conn->fd, EPOLLIN, conn);
    conn->on_connected(conn);
}

static size_t try_send(struct conn *conn, const uint8_t *bytes, size_t len) {
    ssize_t sent = send(conn->fd, bytes, len, MSG_NOSIGNAL);
    if (sent >= 0)
        return (size_t)sent;
    if (errno != EAGAIN && errno != EINTR)
        die("send: %s", strerror(errno));
    return 0;
}

void conn_write(struct conn *conn, const void *bytes, size_t len) {
    size_t sent = conn->unsent_len ? 0 : try_send(conn, bytes, len);
    if (sent == len)
        return;
    size_t rest = len - sent;
    conn->unsent = realloc(conn->unsent, conn->unsent_len + rest);
    if (!conn->unsent)
        die("out of memory");
    memcpy(conn->unsent + conn->unsent_len, (const uint8_t *)bytes + sent, rest);
    if (!conn->unsent_len)
        control(EPOLL_CTL_MOD, conn->fd, EPOLLIN | EPOLLOUT, conn);
    conn->unsent_len += rest;
}

static void flush(struct conn *conn) {
    size_t sent = try_send(conn, conn->unsent, conn->unsent_len);
    conn->unsent_len -= sent;
    memmove(conn->unsent, conn->unsent + sent, conn->unsent_len);
    if (!conn->unsent_len)
        control(EPOLL_CTL_MOD, conn->fd, EPOLLIN, conn);
}

void conn_stop_reading(struct conn *conn) {
    control(EPOLL_CTL_MOD, conn->fd, 0, conn);
}

void conn_close(struct conn *conn) {
    close(conn->fd);
    free(conn->partial);
    free(conn->unsent);
    conn->fd = -1;
    conn->partial = conn->unsent = NULL;
    conn->partial_len = conn->unsent_len = 0;
}

static void keep_partial(struct conn *conn, const uint8_t *rest, size_t len) {
    if (len > PARTIAL_MAX)
        die("an unfinished answer of %zu bytes", len);
    conn->partial = malloc(len);
    if (!conn->partial)
        die("out of memory");
    memcpy(conn->partial, rest, len);
    conn->partial_len = len;
}

static size_t take_partial(struct conn *conn) {
    size_t len = conn->partial_len;
    if (!len)
        return 0;
    memcpy(buffer, conn->partial, len);
    free(conn->partial);
    conn->partial = NULL;
    conn->partial_len = 0;
    return len;
}

static void read_some(struct conn *conn) {
    ssize_t got = recv(conn->fd, buffer + conn->partial_len, READ_SIZE, 0);
    if (got < 0) {
        if (errno == EAGAIN || errno == EINTR)
            return;
        die("recv: %s", strerror(errno));
    }
    if (got == 0)
        die("the server closed a connection");
    size_t len = take_partial(conn) + (size_t)got;
    size_t done = 0;
    while (done < len) {
        size_t used = conn->on_bytes(conn, buffer + done, len - done);
        if (conn->fd < 0) /* it was closed by what was read */
            return;
        if (!used)
            break;
        done += used;
    }
    if (done < len)
        keep_partial(conn, buffer + done, len - done);
}

bool net_poll(int timeout_ms, void (*after_each)(void)) {
    struct epoll_event events[EVENTS_AT_ONCE];
    int count = epoll_wait(epoll_fd, events, EVENTS_AT_ONCE, timeout_ms);
    if (count < 0 && errno != EINTR)
        die("epoll_wait: %s", strerror(errno));
    if (count == 0 && timeout_ms >= STALL_MS)
        die("nothing came for %d s", STALL_MS / 1000);
    for (int i = 0; i < count; i++) {
        struct conn *conn = events[i].data.ptr;
        if (!conn)
            return false;
        if (conn->fd < 0) /* closed by an earlier event of this round */
            continue;
        if (!conn->connected) {
            finish_connect(conn);
            continue;
        }
        if (events[i].events & EPOLLOUT && conn->unsent_len)
            flush(conn);
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
            read_some(conn);
            if (after_each)
                after_each();
        }
    }
    return true;
}
