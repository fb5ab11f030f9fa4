/* Builds frames with examples/c/boardlog.h as stdin says, one request a line, fields set apart by tabs. */
#include "../../examples/c/boardlog.h"
#include <stdlib.h>

int main(int argc, char **argv) {
  static char line[65536], text[2048];
  size_t size = argc > 1 ? (size_t)atoi(argv[1]) : sizeof text;
  bl_frame frame;
  while (fgets(line, sizeof line, stdin)) {
    char *field[8] = {0}, *at = line;
    int count = 0;
    line[strcspn(line, "\n")] = 0;
    while (at && count < 8) {
      char *next = strchr(at, '\t');
      if (next) *next++ = 0;
      field[count++] = at;
      at = next;
    }
    switch (*field[0]) {
      case 'b':
        bl_begin(&frame, text, size, field[1], *field[2] ? field[2] : NULL, (uint32_t)atol(field[3]),
                 (uint32_t)atol(field[4]), strtoull(field[5], NULL, 10), strtoull(field[6], NULL, 10));
        break;
      case 'l':
        if (!bl_line(&frame, atoi(field[1]), strtoull(field[2], NULL, 10), field[3])) printf("full\n");
        break;
      case 'd':
        bl_dropped(&frame, (uint32_t)atol(field[1]));
        break;
      case 's':
        fwrite(text, 1, bl_end_serial(&frame), stdout);
        break;
      case 'm':
        bl_end_mqtt(&frame);
        printf("%s\n", text);
        break;
      case 'a': {
        uint32_t mark = 0;
        int resend = 0;
        if (bl_ack(field[1], field[2], &mark, &resend)) printf("ack %lu %d\n", (unsigned long)mark, resend);
        else printf("none\n");
      }
    }
  }
  return 0;
}
