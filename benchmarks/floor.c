/* floor: a server that does the minimum of work for the load of wsload, in one C thread.
 *
 * It implements a small part of the Phoenix Channels V2 protocol: it accepts the upgrade, answers phx_join,
 * answers "echo" with its payload, and writes "new_msg" to every joined connection of the topic.
 * It parses no JSON: it searches for substrings. Its CPU time per operation is the physical limit of
 * this machine's loopback TCP, measured by the same generator in the same run.
 *
 *   cc -O2 -o floor floor.c && ./floor 4200        (Ctrl-C stops it)
 *
 * It loses no message: it waits for a full send buffer. It does not handle frames that arrive in pieces,
 * pings, leaves and hostile clients.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
  int fd, open, topic; /* open: 0 before the upgrade and after the end, 1 upgraded, 2 joined */
} Conn;

static Conn *conns[1 << 16];
static int nconns;

/* Write body as one unmasked text frame. Returns the length of the frame. */
static int frame(char *out, const char *body, int n) {
  int k = 0;
  out[k++] = (char)0x81;
  if (n < 126) {
    out[k++] = n;
  } else {
    out[k++] = 126;
    out[k++] = n >> 8;
    out[k++] = n & 255;
  }
  memcpy(out + k, body, n);
  return k + n;
}

/* Find the which-th quoted string of a message: 0 join_ref, 1 ref, 2 topic, 3 event. Returns its length. */
static int field(const char *p, const char *end, int which, const char **s) {
  for (int i = 0;; i++) {
    const char *a = memchr(p, '"', end - p);
    if (!a) return 0;
    const char *b = memchr(a + 1, '"', end - a - 1);
    if (!b) return 0;
    if (i == which) {
      *s = a + 1;
      return b - a - 1;
    }
    p = b + 1;
  }
}

/* Handle one message of a client. The payload is copied unchanged and never parsed. */
static void message(Conn *c, char *m, int n) {
  static char body[70000], out[70000];
  const char *jr = "", *ref = "", *topic = "", *ev = "", *end = m + n;
  int lj = field(m, end, 0, &jr), lr = field(m, end, 1, &ref), lt = field(m, end, 2, &topic),
      le = field(m, end, 3, &ev);
  if (!le) return;
  const char *pay = ev + le + 2;
  int lp = end - 1 - pay;
  if (le == 8 && !memcmp(ev, "phx_join", 8)) {
    c->topic = atoi(memchr(topic, ':', lt) + 1);
    c->open = 2;
    int k = sprintf(
        body, "[\"%.*s\",\"%.*s\",\"%.*s\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]", lj,
        jr, lr, ref, lt, topic);
    k = frame(out, body, k);
    send(c->fd, out, k, MSG_NOSIGNAL);
  } else if (le == 4 && !memcmp(ev, "echo", 4)) {
    int k = sprintf(
        body, "[\"%.*s\",\"%.*s\",\"%.*s\",\"phx_reply\",{\"status\":\"ok\",\"response\":%.*s}]",
        lj, jr, lr, ref, lt, topic, lp, pay);
    k = frame(out, body, k);
    send(c->fd, out, k, MSG_NOSIGNAL);
  } else if (le == 7 && !memcmp(ev, "new_msg", 7)) {
    int k = sprintf(body, "[null,null,\"%.*s\",\"new_msg\",%.*s]", lt, topic, lp, pay);
    k = frame(out, body, k);
    for (int i = 0; i < nconns; i++)
      if (conns[i]->open == 2 && conns[i]->topic == c->topic) {
        int off = 0;
        while (off < k) {
          int r = send(conns[i]->fd, out + off, k - off, MSG_NOSIGNAL);
          if (r < 0) {
            if (errno == EAGAIN) {
              usleep(50);
              continue;
            }
            break;
          }
          off += r;
        }
      }
  }
}

static void readable(Conn *c) {
  static unsigned char buf[1 << 17];
  int n = recv(c->fd, buf, sizeof buf - 1, 0);
  if (n <= 0) {
    if (n == 0 || errno != EAGAIN) {
      close(c->fd);
      c->open = 0;
    }
    return;
  }
  if (!c->open) {
    /* The generator always sends the key of RFC 6455's example. This is the answer to that key. */
    const char *r = "HTTP/1.1 101 Switching Protocols\r\n"
                    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    send(c->fd, r, strlen(r), MSG_NOSIGNAL);
    c->open = 1;
    return;
  }
  unsigned char *p = buf;
  while (n >= 6) { /* The generator's frames arrive whole, because each is one small send(). */
    int len = p[1] & 127, h = 2;
    if (len == 126) {
      len = p[2] << 8 | p[3];
      h = 4;
    }
    unsigned char *k = p + h;
    h += 4;
    if (n < h + len) break;
    for (int i = 0; i < len; i++) p[h + i] ^= k[i & 3];
    message(c, (char *)p + h, len);
    p += h + len;
    n -= h + len;
  }
}

int main(int argc, char **argv) {
  int port = argc > 1 ? atoi(argv[1]) : 4200, one = 1, l = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(l, (void *)&a, sizeof a) || listen(l, 4096)) {
    perror("listen");
    return 1;
  }
  int ep = epoll_create1(0);
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = 0}, ev[1024];
  epoll_ctl(ep, EPOLL_CTL_ADD, l, &e);
  for (;;) {
    int k = epoll_wait(ep, ev, 1024, -1);
    for (int i = 0; i < k; i++) {
      if (ev[i].data.ptr) {
        readable(ev[i].data.ptr);
        continue;
      }
      int fd = accept4(l, 0, 0, SOCK_NONBLOCK);
      if (fd < 0) continue;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      Conn *c = calloc(1, sizeof *c);
      c->fd = fd;
      conns[nconns++] = c;
      e.data.ptr = c;
      epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
    }
  }
}
