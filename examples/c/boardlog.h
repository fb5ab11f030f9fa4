/*
 * Frames for boardlog from C, in one header: compact frames (docs/protocol.md 12) for a serial line or MQTT, and acks.
 * No heap, no I/O, no clock of its own. The caller keeps the lines until they are acked, and builds a frame of what waits:
 *
 *   char text[1024];
 *   bl_frame frame;
 *   bl_begin(&frame, text, sizeof text, boot, NULL, first_kept, first_sent - first_kept, time_of_first, now);
 *   while (... && bl_line(&frame, level, time, line)) ...
 *   uart_write(text, bl_end_serial(&frame));       // or: mqtt_publish(topic, text, bl_end_mqtt(&frame))
 *
 * and reads what comes back with bl_ack. A line that bl_line refuses goes into the next frame.
 */
#ifndef BOARDLOG_H
#define BOARDLOG_H
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { BL_NONE, BL_DEBUG, BL_INFO, BL_WARN, BL_ERROR };

typedef struct {
  char *text;
  size_t size, length;
  uint64_t time; /* of the entry before; ms: UTC from 10^12 up, uptime below (12.4) */
  int level;
} bl_frame;

/* Room that the end of a frame takes: `]`, checksum, LF, and the 0 of a C string. */
#define BL_END 11

static uint32_t bl_crc32(const char *text, size_t length) {
  uint32_t sum = ~0u;
  for (size_t i = 0; i < length; i++) {
    sum ^= (unsigned char)text[i];
    for (int bit = 0; bit < 8; bit++) sum = sum & 1 ? sum >> 1 ^ 0xedb88320u : sum >> 1;
  }
  return ~sum;
}

/* Text as a JSON string in printable ASCII; false when it does not fit. Bytes that are no UTF-8 go as Latin-1. */
static int bl_string(bl_frame *f, const char *text) {
  const unsigned char *s = (const unsigned char *)text;
  size_t at = f->length;
  char part[16];
  if (at + 2 + BL_END > f->size) return 0;
  f->text[at++] = '"';
  while (*s) {
    uint32_t code = *s;
    int more = code < 0xc2 ? 0 : code < 0xe0 ? 1 : code < 0xf0 ? 2 : code < 0xf5 ? 3 : 0, i = 1;
    while (i <= more && (s[i] & 0xc0) == 0x80) i++;
    if (more && i > more) {
      code &= 0x3f >> more;
      for (i = 1; i <= more; i++) code = code << 6 | (s[i] & 0x3f);
    } else more = 0;
    s += more + 1;
    if (code == '"' || code == '\\') snprintf(part, sizeof part, "\\%c", (char)code);
    else if (code >= ' ' && code < 0x7f) snprintf(part, sizeof part, "%c", (char)code);
    else if (code < 0x10000) snprintf(part, sizeof part, "\\u%04x", (unsigned)code);
    else
      snprintf(part, sizeof part, "\\u%04x\\u%04x", (unsigned)(0xd7c0 + (code >> 10)),
               (unsigned)(0xdc00 + (code & 0x3ff)));
    if (at + strlen(part) + 1 + BL_END > f->size) return 0;
    memcpy(f->text + at, part, strlen(part));
    at += strlen(part);
  }
  f->text[at++] = '"';
  f->length = at;
  return 1;
}

/* `src` may be NULL where the link says it; `first` is the oldest seq still kept, `skipped` those before this frame's (12.2). */
static void bl_begin(bl_frame *f, char *text, size_t size, const char *boot, const char *src, uint32_t first,
                     uint32_t skipped, uint64_t time, uint64_t now) {
  f->text = text, f->size = size, f->time = time, f->level = -1; /* the first line states its level */
  f->length = (size_t)snprintf(text, size, "[\"@%s\",", boot);
  if (src && bl_string(f, src)) text[f->length++] = ',';
  f->length += (size_t)snprintf(text + f->length, size - f->length, "%lu,%lu,%llu,%lld", (unsigned long)first,
                                (unsigned long)skipped, (unsigned long long)time, (long long)(now - time));
}

/* One line, which uses the next seq; times must not fall within a frame. False: the frame is full. */
static int bl_line(bl_frame *f, int level, uint64_t time, const char *line) {
  size_t before = f->length;
  if (time < f->time || before + 24 + BL_END > f->size) return 0;
  if (time > f->time || level != f->level)
    f->length += (size_t)snprintf(f->text + before, f->size - before, ",%llu",
                                  (unsigned long long)(5 * (time - f->time) + (unsigned)level));
  f->text[f->length++] = ',';
  if (!bl_string(f, line)) {
    f->length = before;
    return 0;
  }
  f->time = time, f->level = level;
  return 1;
}

/* The next `count` seqs were dropped: without this the gateway would wait for them (12.6). */
static int bl_dropped(bl_frame *f, uint32_t count) {
  if (f->length + 12 + BL_END > f->size) return 0;
  f->length += (size_t)snprintf(f->text + f->length, f->size - f->length, ",-%lu", (unsigned long)count);
  return 1;
}

static size_t bl_end_mqtt(bl_frame *f) {
  f->text[f->length++] = ']';
  f->text[f->length] = 0;
  return f->length;
}

static size_t bl_end_serial(bl_frame *f) {
  uint32_t sum = bl_crc32(f->text, bl_end_mqtt(f));
  return f->length += (size_t)snprintf(f->text + f->length, 10, "%08lx\n", (unsigned long)sum);
}

/*
 * What came down: 1 and the highest durable seq of this boot, or 0 for anything else (noise, another boot's, a hello).
 * `*resend` says that something behind the mark is missing: send again from there at once (5.3).
 */
static int bl_ack(const char *line, const char *boot, uint32_t *mark, int *resend) {
  char want[64];
  const char *start = strstr(line, "{\"v\":1,"), *end = start ? strrchr(start, '}') : NULL;
  unsigned long sum, found;
  if (!end || snprintf(want, sizeof want, "\"boot\":\"%s\",\"ack\":", boot) >= (int)sizeof want) return 0;
  if (sscanf(end + 1, "%8lx", &sum) == 1 && sum != bl_crc32(start, (size_t)(end + 1 - start))) return 0;
  if (!(line = strstr(start, want)) || sscanf(line + strlen(want), "%lu", &found) != 1) return 0;
  *mark = (uint32_t)found, *resend = strstr(line, "\"resend\":true") != NULL;
  return 1;
}
#endif
