/* Phases of a measurement, the clock, and latencies. */
#ifndef MEASURE_H
#define MEASURE_H

#include "net.h"

enum phase { PHASE_CONNECT, PHASE_WARMUP, PHASE_MEASURE, PHASE_DONE };

extern enum phase phase;

void measure_init(double warmup_seconds, double measured_seconds);
/* All clients are ready: the warm-up begins. */
void measure_start(void);
/* Goes on to the next phase when it is time. */
void measure_tick(void);
/* Counts messages, if they are to be measured. */
void measure_count(uint64_t messages);
void measure_latency(uint64_t sent_at, uint64_t now);
/* Milliseconds until the phase ends, or `limit` if that is sooner. */
int measure_wait(int limit);
/* Prints one line of JSON. */
void measure_print(void);

#endif
