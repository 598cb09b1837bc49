#define _GNU_SOURCE
#include "script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 32 bytes of JSON, and the same in msgpack. */
#define ARGUMENT "{\"room\":\"lobby\",\"text\":\"hello!\"}"
#define MSGPACK_ARGUMENT "\x82\xa4room\xa5lobby\xa4text\xa6hello!"
#define MSGPACK_DATA "\xa4" "data\x92\xa4" "echo" MSGPACK_ARGUMENT

static char *print(const char *format, uint32_t number) {
    char *text;
    if (asprintf(&text, format, number) < 0)
        die("out of memory");
    return text;
}

static void expect(struct script *script, uint8_t opcode, const void *bytes, size_t len) {
    script->reply[script->parts++] = (struct part){.opcode = opcode, .bytes = bytes, .len = len};
}

static void expect_text(struct script *script, const char *text) {
    expect(script, OP_TEXT, text, strlen(text));
}

static void request_text(struct script *script, const char *text) {
    frames_add(&script->requests[0], OP_TEXT, text, strlen(text));
}

static void same_text(struct script *script, const char *text) {
    request_text(script, text);
    expect_text(script, text);
}

static void write_binary(struct script *script, uint32_t size) {
    uint8_t *attachment = malloc(size);
    if (!attachment)
        die("out of memory");
    for (uint32_t i = 0; i < size; i++)
        attachment[i] = (uint8_t)(i * 31);
    same_text(script, "451-[\"binary\",{\"_placeholder\":true,\"num\":0}]");
    frames_add(&script->requests[0], OP_BINARY, attachment, size);
    expect(script, OP_BINARY, attachment, size);
}

static void write_msgpack(struct script *script) {
    static const char request[] = "\x83\xa4type\x02\xa3nsp\xa1/" MSGPACK_DATA;
    frames_add(&script->requests[0], OP_BINARY, request, sizeof request - 1);
    expect(script, OP_BINARY, MSGPACK_DATA, sizeof MSGPACK_DATA - 1);
    script->reply[0].contained = true;
}

static void write_rooms(struct script *script, uint32_t groups) {
    if (groups > MAX_GROUPS)
        die("no more than %d rooms", MAX_GROUPS);
    script->groups = groups;
    script->broadcast = true;
    for (uint32_t group = 0; group < groups; group++) {
        char *text = print("42[\"room\",%u," ARGUMENT "]", group);
        frames_add(&script->requests[group], OP_TEXT, text, strlen(text));
        free(text);
        script->setups[group] = print("42[\"join\",%u]", group);
    }
    expect_text(script, "42[\"room\"," ARGUMENT "]");
}

bool script_write(struct script *script, const char *workload, uint32_t size, uint32_t groups, uint32_t copies) {
    script->groups = script->replies = 1;
    if (strcmp(workload, "echo") == 0) {
        same_text(script, "42[\"echo\"," ARGUMENT "]");
    } else if (strcmp(workload, "ack") == 0) {
        request_text(script, "421[\"ack\"," ARGUMENT "]");
        expect_text(script, "431[" ARGUMENT "]");
    } else if (strcmp(workload, "binary") == 0) {
        write_binary(script, size);
    } else if (strcmp(workload, "msgpack") == 0) {
        write_msgpack(script);
    } else if (strcmp(workload, "bcast") == 0) {
        same_text(script, "42[\"bcast\"," ARGUMENT "]");
        script->broadcast = true;
    } else if (strcmp(workload, "bcast10") == 0) {
        request_text(script, "42[\"bcast10\"," ARGUMENT "]");
        expect_text(script, "42[\"bcast\"," ARGUMENT "]");
        script->broadcast = true;
        script->replies = 10;
    } else if (strcmp(workload, "rooms") == 0) {
        write_rooms(script, groups);
    } else {
        return false;
    }
    for (uint32_t group = 0; group < script->groups; group++)
        frames_repeat(&script->requests[group], copies);
    return true;
}

void script_storm(struct script *script, uint32_t size) {
    char *text;
    if (asprintf(&text, "42[\"bcast\",\"%0*d\"]", (int)size, 0) < 0)
        die("out of memory");
    script->groups = script->replies = 1;
    script->broadcast = true;
    same_text(script, text);
}

bool part_equals(const struct part *part, uint8_t opcode, const uint8_t *payload, size_t len) {
    if (opcode != part->opcode)
        return false;
    if (part->contained)
        return memmem(payload, len, part->bytes, part->len) != NULL;
    return len == part->len && memcmp(payload, part->bytes, len) == 0;
}

void script_check(const struct script *script, struct client *client, uint8_t opcode, const uint8_t *payload,
                  size_t len) {
    const struct part *part = &script->reply[client->part];
    if (!part_equals(part, opcode, payload, len))
        die("expected %.*s, got %.*s", (int)(part->len < 200 ? part->len : 200), (const char *)part->bytes,
            (int)(len < 200 ? len : 200), (const char *)payload);
    client->part = (client->part + 1) % script->parts;
}
