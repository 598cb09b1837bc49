#define _GNU_SOURCE
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { LATENCY_BUCKETS = 2 * 1000 * 1000 }; /* one per microsecond; the last takes all that is slower */

enum phase phase;

static double warmup, measured;
static uint64_t received, latencies_seen;
static uint32_t *latencies;
static uint64_t connect_start, connect_end, phase_end, start, end;
static double cpu_start, cpu_used;

static double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void measure_init(double warmup_seconds, double measured_seconds) {
    warmup = warmup_seconds;
    measured = measured_seconds;
    latencies = calloc(LATENCY_BUCKETS, sizeof *latencies);
    if (!latencies)
        die("out of memory");
    connect_start = now_ns();
}

void measure_start(void) {
    connect_end = now_ns();
    phase = PHASE_WARMUP;
    phase_end = connect_end + (uint64_t)(warmup * 1e9);
}

void measure_tick(void) {
    uint64_t now = now_ns();
    if (phase == PHASE_WARMUP && now >= phase_end) {
        phase = PHASE_MEASURE;
        start = now;
        phase_end = now + (uint64_t)(measured * 1e9);
        cpu_start = cpu_seconds();
        puts("measuring");
    } else if (phase == PHASE_MEASURE && now >= phase_end) {
        phase = PHASE_DONE;
        end = now;
        cpu_used = cpu_seconds() - cpu_start;
    }
}

void measure_count(uint64_t messages) {
    if (phase == PHASE_MEASURE)
        received += messages;
}

void measure_latency(uint64_t sent_at, uint64_t now) {
    if (phase != PHASE_MEASURE)
        return;
    uint64_t micros = (now - sent_at) / 1000;
    latencies[micros < LATENCY_BUCKETS ? micros : LATENCY_BUCKETS - 1]++;
    latencies_seen++;
}

int measure_wait(int limit) {
    if (phase != PHASE_WARMUP && phase != PHASE_MEASURE)
        return limit;
    uint64_t now = now_ns();
    uint64_t left = phase_end > now ? (phase_end - now) / 1000000 + 1 : 0;
    return left < (uint64_t)limit ? (int)left : limit;
}

static uint32_t percentile(double share) {
    uint64_t rank = (uint64_t)(share * (double)latencies_seen), seen = 0;
    for (uint32_t micros = 0; micros < LATENCY_BUCKETS; micros++) {
        seen += latencies[micros];
        if (seen > rank)
            return micros;
    }
    return LATENCY_BUCKETS - 1;
}

void measure_print(void) {
    if (!received)
        die("nothing was received");
    double elapsed = (double)(end - start) / 1e9;
    printf("{\"messages\": %llu, \"seconds\": %.4f, \"rate\": %.1f, \"load_cpu\": %.4f, \"connect_seconds\": %.4f",
           (unsigned long long)received, elapsed, (double)received / elapsed, cpu_used / elapsed,
           (double)(connect_end - connect_start) / 1e9);
    if (latencies_seen)
        printf(", \"latency_us\": {\"p50\": %u, \"p90\": %u, \"p99\": %u, \"p999\": %u}", percentile(0.5),
               percentile(0.9), percentile(0.99), percentile(0.999));
    puts("}");
}
