/* What a workload sends and what it must get back, byte by byte. */
#ifndef SCRIPT_H
#define SCRIPT_H

#include "websocket.h"

enum { MAX_PARTS = 2, MAX_GROUPS = 1000 };

/* A frame that must come. Packets of the msgpack parser are maps, whose order is the server's: there only the part
 * that holds the data is compared. */
struct part {
    uint8_t opcode;
    const uint8_t *bytes;
    size_t len;
    bool contained;
};

struct script {
    struct frames requests[MAX_GROUPS]; /* one for each group of clients */
    char *setups[MAX_GROUPS];           /* see client.setup */
    uint32_t groups;
    struct part reply[MAX_PARTS];
    uint32_t parts;
    uint32_t replies; /* that one request causes at each recipient */
    bool broadcast;   /* the recipients are the whole group, else the sender */
};

/* Writes the script of a workload; returns false if there is none of this name.
 * `size` is that of the binary attachment in bytes; `groups` the number of rooms; `copies` how many requests go out
 * in one write. */
bool script_write(struct script *script, const char *workload, uint32_t size, uint32_t groups, uint32_t copies);
/* A broadcast of so many bytes, for storms. */
void script_storm(struct script *script, uint32_t size);
/* Whether this is the frame; dies if it is another one. */
void script_check(const struct script *script, struct client *client, uint8_t opcode, const uint8_t *payload,
                  size_t len);
bool part_equals(const struct part *part, uint8_t opcode, const uint8_t *payload, size_t len);

#endif
