/* wsload: a load generator for Phoenix Channels servers (V2 JSON serializer) over plain WebSocket.
 * One thread, epoll, no allocation on the data path. It connects to loopback only, except in the mode load.
 *
 *   cc -O2 -o wsload wsload.c
 *   ./wsload --port 4000 --conns 1000 --mode fanout --secs 5 --window 1 --pubs 1 --pid 1234,1235
 *
 * modes   hold    connect, join, stay for --secs seconds; cpu_s is the server's CPU time for all of that
 *         echo    every connection keeps --window "echo" pushes in flight; counts replies
 *         fanout  --pubs connections keep --window "new_msg" pushes in flight each (closed loop on
 *                 their own broadcast), or --rate N messages a second in all (open loop);
 *                 counts the broadcasts received by every connection
 *         load    for `bennu bench`: see "The mode load" below, and bennu/bench/c_engine.py, which passes its options
 * --topics K spreads the connections over K topics (PREFIX:0 .. PREFIX:K-1); --prefix room; --join '{}' join payload;
 * --every K measures the latency of each K-th frame (by default the publishers' own frames and each 64th: publishers
 * join first, so servers that deliver in the order of joins look too fast; use --every 61 for open-loop latency);
 * --flooders N and --stalled N add connections that misbehave: flooders push "new_msg" as fast as the server reads,
 * stalled connections read nothing after their join; both count only in the last columns;
 * --payload N bytes of body; --path PATH; --drain S waits up to S seconds at the end for late messages;
 * --ports A,B,.. divides the connections among several servers: connection i goes to the port i mod K, and its topic is
 * i / K mod TOPICS. --remote 1: only connections of the first port publish, and only the others measure the latency; a
 * publisher pushes again when the connection after it, on the next port, has got its message. --warm S: the first S
 * seconds (1) do not count. --sees TEXT: after the joins it waits until the newest frame without a message of each
 * connection contains TEXT, and prints how long that took (seen_s), and for how many that is true at the end (seen);
 * --proto sio speaks Engine.IO v4 / Socket.IO v5 over WebSocket instead, for comparison with those servers.
 *
 * Prints one JSON object. With --pid, it also prints the CPU time of those processes per operation, their
 * growth in memory, and how far to trust the run: srv_wait / gen_wait = share of the time in which the
 * process was ready to run but waited for its core; gen_share near 1 = the generator was the limit;
 * foreign = cores used by other programs; stalls = own broadcast missing for 2 s (pushed again);
 * undelivered = expected minus received after the drain. With misbehaving connections it also prints: flood_sent and
 * flood_refused messages; flood_heard = accepted messages that each other connection received; flood_closed and
 * stalled_closed = connections that the server closed, with flood_code and stalled_code (the greatest; 0 = without a
 * close frame). rss_kb and peak_kb are the memory of the processes at the end, and at the peak.
 *
 * `wsload -` reads the arguments from the standard input, each ended by a zero byte: other users can't see them.
 *
 * How it works. At most --inflight connections are being opened at a time. Each goes through the states
 * below: TCP connect, HTTP upgrade, join, ready. The load begins when all are ready. Its first second is
 * warm-up and does not count. A sender puts the time (t) and its own number (the first six characters of
 * body) into the payload. So a receiver knows the latency, and a publisher recognises its own message.
 * The client frames have a mask of zeros, which is valid.
 * CPU times come from /proc/PID/task/TID/schedstat, in nanoseconds, so short runs are exact too.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static long now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000L + t.tv_nsec;
}

enum { CONNECTING, UPGRADING, JOINING, READY, DEAD };
enum { GOOD, FLOODER, STALLED };

/* A push of the mode load without a reply so far: its ref (0: none), and when it was sent. */
typedef struct {
  long ref, at;
} Push;

typedef struct {
  int fd, state, topic, inlen;
  long ref;
  char *in; /* the first part of an incomplete frame: inlen bytes of incap */
  int incap;
  int pub; /* whether this connection publishes */
  int role, code, sees;
  long flooded; /* written bytes of the flood */
  long outstanding;
  double since, lastown; /* lastown: time of the last push, or of the last own broadcast */
  Push *sent;            /* in the mode load: a ring of slots, a power of two; a push is at its ref */
  int slots;
  long asked; /* when the connection or the join was begun, in ns */
} Conn;

/* Options. */
static int port = 4000, nconn = 100, window = 1, pubs = 1, topics = 1, inflight = 200, paysize = 60,
           quiet = 0;
static double secs = 5, rate = 0, drain = 3;
static int sio = 0;
static int every = 0, flooders = 0, stalled = 0;
static int ports[16], nports = 0, remote = 0;
static double warmup = 1;
static const char *sees = 0;
static const char *path = "/socket/websocket?vsn=2.0.0", *mode = "echo", *pids = "",
                  *prefix = "room", *joinpayload = "{}";

/* Where the connections go. */
static struct sockaddr_storage target;
static socklen_t target_size;
static const char *authority = 0, *header = "";

/* State and counters. */
static Conn *conns;
static int ep, ready, dead, started;
static long stalls, tot_sent, blocked;
static long flood_refused, flood_heard;
static long seeing, told; /* connections that see the text of --sees, and frames that told it or another one */
static long frames, samples, bytes_in, errors, all_frames;

/* Latency histogram: log-linear, 64 buckets per power of two, in microseconds. */
#define NH 4096
static long hist[NH];

static int bucket(double us) {
  if (us < 1) us = 1;
  int e = 0;
  double v = us;
  while (v >= 2) {
    v /= 2;
    e++;
  }
  int b = e * 64 + (int)((v - 1) * 64);
  return b < NH ? b : NH - 1;
}

/* The mode load, whose functions are below. */
static int is_load = 0;
static void load_opened(Conn *c);
static void load_frame(Conn *c, const char *p, long n, int op);
static void load_ended(Conn *c, const char *kind, const char *note, long n);
static int load_slow(Conn *c);

static double unbucket(int b) {
  int e = b / 64;
  return (double)(1L << e) * (1 + (b % 64) / 64.0);
}

static double quantile(double q) {
  long want = (long)(samples * q), seen = 0;
  for (int i = 0; i < NH; i++) {
    seen += hist[i];
    if (seen > want) return unbucket(i);
  }
  return 0;
}

/* Costs of the processes in the comma-separated list so far. */

/* Seconds that all live threads ran (or waited for a core), in steps of ns. */
static double sched_of(const char *list, int waiting) {
  char tmp[512];
  snprintf(tmp, sizeof tmp, "%s", list);
  double tot = 0;
  char *save = 0;
  for (char *p = strtok_r(tmp, ",", &save); p; p = strtok_r(0, ",", &save)) {
    char d[64];
    snprintf(d, sizeof d, "/proc/%s/task", p);
    DIR *dp = opendir(d);
    if (!dp) continue;
    struct dirent *e;
    while ((e = readdir(dp))) {
      if (e->d_name[0] == '.') continue;
      char f[400], b[128];
      snprintf(f, sizeof f, "%s/%s/schedstat", d, e->d_name);
      int fd = open(f, O_RDONLY);
      if (fd < 0) continue;
      int n = read(fd, b, sizeof b - 1);
      close(fd);
      if (n <= 0) continue;
      b[n] = 0;
      unsigned long long run, w;
      if (sscanf(b, "%llu %llu", &run, &w) == 2) tot += (waiting ? w : run) / 1e9;
    }
    closedir(dp);
  }
  return tot;
}

static double cpu_of(const char *list) {
  return sched_of(list, 0);
}

static double wait_of(const char *list) {
  return sched_of(list, 1);
}

static long memory_of(const char *list, const char *column) {
  char tmp[512];
  snprintf(tmp, sizeof tmp, "%s", list);
  long tot = 0;
  char *save = 0;
  for (char *p = strtok_r(tmp, ",", &save); p; p = strtok_r(0, ",", &save)) {
    char f[64], l[256];
    snprintf(f, sizeof f, "/proc/%s/status", p);
    FILE *fp = fopen(f, "r");
    if (!fp) continue;
    while (fgets(l, sizeof l, fp)) {
      long kb;
      if (!strncmp(l, column, strlen(column)) && sscanf(l + strlen(column), ": %ld kB", &kb) == 1)
        tot += kb;
    }
    fclose(fp);
  }
  return tot;
}

static long rss_of(const char *list) {
  return memory_of(list, "VmRSS");
}

/* Seconds of core time that the whole machine has used, and that the host has stolen. */

static double busy(void) {
  FILE *fp = fopen("/proc/stat", "r");
  unsigned long long v[8] = {0};
  int k = 0;
  if (fp) {
    k = fscanf(fp, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", v, v + 1, v + 2, v + 3, v + 4,
               v + 5, v + 6, v + 7);
    fclose(fp);
  }
  if (k < 8) return 0;
  return (v[0] + v[1] + v[2] + v[5] + v[6] + v[7]) / (double)sysconf(_SC_CLK_TCK);
}

static double steal(void) {
  FILE *fp = fopen("/proc/stat", "r");
  unsigned long long v[8] = {0};
  if (fp) {
    if (fscanf(fp, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", v, v + 1, v + 2, v + 3, v + 4,
               v + 5, v + 6, v + 7) < 8)
      v[7] = 0;
    fclose(fp);
  }
  return v[7] / (double)sysconf(_SC_CLK_TCK);
}

/* Wait for a full send buffer (counted in blocked) up to 5 s. After 5 s the server has stopped reading. */
static void send_frame(Conn *c, int op, const char *m, int n) {
  static char f[(1 << 18) + 16];
  int k = 0;
  f[k++] = (char)(0x80 | op);
  if (n < 126) {
    f[k++] = (char)(0x80 | n);
  } else if (n < 65536) {
    f[k++] = (char)(0x80 | 126);
    f[k++] = n >> 8;
    f[k++] = n & 255;
  } else {
    f[k++] = (char)(0x80 | 127);
    for (int i = 56; i >= 0; i -= 8) f[k++] = (long)n >> i & 255;
  }
  memset(f + k, 0, 4);
  k += 4;
  memcpy(f + k, m, n);
  k += n;
  double b0 = 0;
  int off = 0;
  while (off < k) {
    int r = send(c->fd, f + off, k - off, MSG_NOSIGNAL);
    if (r < 0) {
      if (errno == EAGAIN) {
        if (!b0) {
          b0 = now();
          blocked++;
        }
        if (now() - b0 < 5) {
          struct timespec t = {0, 100000};
          nanosleep(&t, 0);
          continue;
        }
        if (is_load && load_slow(c)) return;
        fprintf(stderr, "send blocked for 5 s: the server does not read\n");
        errors++;
      }
      if (is_load) {
        load_ended(c, "lost", strerror(errno), strlen(strerror(errno)));
        return;
      }
      c->state = DEAD;
      dead++;
      return;
    }
    off += r;
  }
}

static void send_text(Conn *c, const char *m, int n) {
  send_frame(c, 1, m, n);
}

static char filler[32768];

/* The flood: one message again and again, with a time that is not measured. */
#define FLOOD_TIME "\"t\":\"0000000000000000000\""
#define FLOOD_FRAMES 16
static char *flood;
static long flood_size, flood_frame;

static void make_flood(void) {
  char m[40000];
  int n = snprintf(m, sizeof m, "[\"1\",\"2\",\"%s:0\",\"new_msg\",{" FLOOD_TIME ",\"body\":\"flood%s\"}]",
                   prefix, filler);
  int h = n < 126 ? 6 : 8;
  flood_frame = h + n;
  flood_size = FLOOD_FRAMES * flood_frame;
  flood = calloc(1, flood_size);
  for (char *f = flood; f < flood + flood_size; f += flood_frame) {
    f[0] = (char)0x81;
    f[1] = (char)(0x80 | (n < 126 ? n : 126));
    if (n >= 126) {
      f[2] = n >> 8;
      f[3] = n & 255;
    }
    memcpy(f + h, m, n);
  }
}

/* Write as much as the kernel accepts, without waiting. */
static void pour(Conn *c) {
  while (c->state == READY) {
    long at = c->flooded % flood_size;
    int r = send(c->fd, flood + at, flood_size - at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (r <= 0) return;
    c->flooded += r;
  }
}

static void push(Conn *c, const char *event) {
  char m[40000];
  int n;
  int id = c - conns;
  ++c->ref;
  if (!sio)
    n = snprintf(m, sizeof m,
                 "[\"1\",\"%ld\",\"%s:%d\",\"%s\",{\"t\":\"%019ld\",\"body\":\"%06d%s\"}]", c->ref,
                 prefix, c->topic, event, now_ns(), id, filler);
  else if (event[0] == 'e')
    n = snprintf(m, sizeof m, "42%ld[\"echo\",\"%s:%d\",{\"t\":\"%019ld\",\"body\":\"%06d%s\"}]",
                 c->ref, prefix, c->topic, now_ns(), id, filler);
  else
    n = snprintf(m, sizeof m, "42[\"%s\",\"%s:%d\",{\"t\":\"%019ld\",\"body\":\"%06d%s\"}]", event,
                 prefix, c->topic, now_ns(), id, filler);
  send_text(c, m, n);
  c->outstanding++;
  tot_sent++;
  c->lastown = now();
}

/* Each source address has up to 20,000 connections. The kernel picks the source port at connect and not at
 * bind (IP_BIND_ADDRESS_NO_PORT), so that the ports suffice. */
static void start_conn(Conn *c) {
  c->fd = socket(target.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0) {
    if (is_load) {
      c->asked = now_ns();
      load_ended(c, "connect", strerror(errno), strlen(strerror(errno)));
      return;
    }
    perror("socket");
    exit(2);
  }
  int one = 1, little = 4096;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (c->role == STALLED) setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
  int i = c - conns;
  struct sockaddr_in *a = (void *)&target;
  if (a->sin_family == AF_INET && ntohl(a->sin_addr.s_addr) >> 24 == 127) {
    struct sockaddr_in src = {.sin_family = AF_INET};
    src.sin_addr.s_addr = htonl(0x7f000001 + 1 + i / 20000);
    int bap = 24; /* IP_BIND_ADDRESS_NO_PORT, which older headers lack */
    setsockopt(c->fd, IPPROTO_IP, bap, &one, sizeof one);
    bind(c->fd, (void *)&src, sizeof src);
  }
  if (nports) a->sin_port = htons(ports[i % nports]);
  c->state = CONNECTING;
  c->since = now();
  c->asked = now_ns();
  if (!c->in) {
    c->incap = 2048;
    c->in = malloc(c->incap);
  }
  c->inlen = 0;
  if (connect(c->fd, (void *)&target, target_size) < 0 && errno != EINPROGRESS) {
    if (is_load) {
      load_ended(c, "connect", strerror(errno), strlen(strerror(errno)));
      return;
    }
    perror("connect");
    exit(2);
  }
  struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
  epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
  started++;
}

static int is_local(Conn *c) {
  return (c - conns) % nports == 0;
}

/* Whether a publisher waits for this connection: the one after it, on the next port and in the same topic. */
static int is_answering(Conn *c) {
  return (c - conns) % nports == 1 && c[-1].pub;
}

/* Note whether a connection sees the text of --sees now. */
static void look(Conn *c, const char *p, long n) {
  if (memmem(p, n, "phx_reply", 9)) return;
  told++;
  int is_seen = memmem(p, n, sees, strlen(sees)) != 0;
  seeing += is_seen - c->sees;
  c->sees = is_seen;
}

/* Handle one whole frame. No JSON is parsed: substrings identify the message. */
static void on_frame(Conn *c, const char *p, long n, int op) {
  if (op == 8 && is_load) {
    char note[140];
    int k = n < 2 ? 1005 : (unsigned char)p[0] << 8 | (unsigned char)p[1];
    k = snprintf(note, sizeof note, "code %d %.*s", k, n > 2 ? (int)(n - 2) : 0, p + 2);
    load_ended(c, "closed", note, k < (int)sizeof note ? k : (int)sizeof note - 1);
    return;
  }
  if (op == 8) {
    c->state = DEAD;
    if (c->role == GOOD) {
      dead++;
      errors++;
    } else if (n >= 2) {
      c->code = (unsigned char)p[0] << 8 | (unsigned char)p[1];
    }
    epoll_ctl(ep, EPOLL_CTL_DEL, c->fd, 0);
    close(c->fd);
    return;
  }
  if (op == 9) {
    send_frame(c, 10, p, n < 126 ? n : 0);
    return;
  }
  if (is_load) {
    load_frame(c, p, n, op);
    return;
  }
  if (op != 1) return;
  if (sio) {
    if (n >= 1 && p[0] == '2') {
      send_text(c, "3", 1);
      return;
    }
    if (c->state == JOINING) {
      if (p[0] == '0') {
        send_text(c, "40", 2);
        return;
      }
      if (n >= 2 && p[0] == '4' && p[1] == '0') {
        char m[512];
        c->ref = 1;
        int k = snprintf(m, sizeof m, "421[\"join\",\"%s:%d\"]", prefix, c->topic);
        send_text(c, m, k);
        return;
      }
      if (n >= 2 && p[0] == '4' && p[1] == '3' && memmem(p, n, "\"ok\"", 4)) {
        c->state = READY;
        ready++;
        return;
      }
      fprintf(stderr, "sio join refused: %.*s\n", (int)n, p);
      exit(3);
    }
  }
  all_frames++;
  if (c->state == JOINING) {
    if (memmem(p, n, "phx_reply", 9) && memmem(p, n, "\"ok\"", 4)) {
      c->state = READY;
      ready++;
    } else if (memmem(p, n, "phx_reply", 9)) {
      fprintf(stderr, "join refused: %.*s\n", (int)n, p);
      exit(3);
    }
    return;
  }
  if (c->role != GOOD) {
    if (memmem(p, n, "rate_limited", 12)) flood_refused++;
    return;
  }
  if (flooders && memmem(p, n < 200 ? n : 200, FLOOD_TIME, sizeof FLOOD_TIME - 1)) {
    flood_heard += c == conns;
    return;
  }
  int is_echo = mode[0] == 'e';
  if (is_echo ? (sio ? (p[0] == '4' && p[1] == '3') : memmem(p, n, "phx_reply", 9) != 0)
              : memmem(p, n < 120 ? n : 120, "new_msg", 7) != 0) {
    frames++;
    int mine = remote ? !is_local(c) : is_echo || c->pub;
    if (every ? frames % every == 0 && (!remote || mine) : mine || (!remote && (frames & 63) == 0)) {
      const char *t = memmem(p, n, "\"t\":", 4);
      if (t) {
        t += 4;
        if (*t == ' ') t++;
        long sent = atol(t + 1);
        double us = (now_ns() - sent) / 1000.0;
        hist[bucket(us)]++;
        samples++;
      }
    }
    if (is_echo) {
      c->outstanding--;
    } else if (remote ? is_answering(c) : c->pub) {
      const char *b = memmem(p, n, "\"body\":", 7);
      if (b) {
        b += 7;
        if (*b == ' ') b++;
        Conn *publisher = remote ? c - 1 : c;
        if (atoi(b + 1) == publisher - conns) {
          publisher->outstanding--;
          publisher->lastown = now();
        }
      }
    }
  } else if (memmem(p, n, "phx_error", 9) || memmem(p, n, "\"error\"", 7)) {
    errors++;
  } else if (sees) {
    look(c, p, n);
  }
}

/* Keep the first part of a frame, or of the answer to the handshake. */
static void keep(Conn *c, const char *p, long n) {
  if (n > c->incap) {
    char *nb = malloc(n + 4096);
    memcpy(nb, p, n);
    free(c->in);
    c->in = nb;
    c->incap = n + 4096;
  } else {
    memmove(c->in, p, n);
  }
  c->inlen = n;
}

/* Read until the socket is empty, split the bytes into frames, and keep an incomplete frame for the next time. */
static void on_bytes(Conn *c) {
  static char buf[1 << 18];
  for (;;) {
    int r = recv(c->fd, buf, sizeof buf, 0);
    if (r <= 0) {
      if (r < 0 && errno == EINTR) continue;
      if (is_load && (r == 0 || errno != EAGAIN)) {
        const char *why = r ? strerror(errno) : "the connection ended without a close frame";
        load_ended(c, "lost", why, strlen(why));
        return;
      }
      if (r == 0 || (errno != EAGAIN)) {
        if (c->state != DEAD && (c->role == GOOD || c->state != READY)) {
          if (c->state != READY && !quiet) fprintf(stderr, "closed in state %d\n", c->state);
          dead++;
          errors++;
        }
        c->state = DEAD;
        epoll_ctl(ep, EPOLL_CTL_DEL, c->fd, 0);
        close(c->fd);
      }
      return;
    }
    bytes_in += r;
    char *p = buf;
    long n = r;
    if (c->inlen) {
      if (c->inlen + n > c->incap) {
        c->incap = c->inlen + n + 4096;
        c->in = realloc(c->in, c->incap);
      }
      memcpy(c->in + c->inlen, buf, n);
      n += c->inlen;
      p = c->in;
      c->inlen = 0;
    }
    if (c->state == UPGRADING) {
      char *end = memmem(p, n, "\r\n\r\n", 4);
      if (!end) {
        keep(c, p, n);
        continue;
      }
      if (strncmp(p, "HTTP/1.1 101", 12)) {
        if (is_load) {
          load_ended(c, "refused", p, n);
          return;
        }
        fprintf(stderr, "refused: %.*s\n", 120, p);
        exit(3);
      }
      n -= end + 4 - p;
      p = end + 4;
      c->state = JOINING;
      if (is_load) {
        load_opened(c);
        if (c->state == DEAD) return;
      } else if (!sio) {
        char m[512];
        int k = snprintf(m, sizeof m, "[\"1\",\"1\",\"%s:%d\",\"phx_join\",%s]", prefix, c->topic,
                         joinpayload);
        c->ref = 1;
        send_text(c, m, k);
      }
    }
    while (n >= 2) {
      int op = p[0] & 15;
      long len = p[1] & 127;
      int h = 2;
      if (len == 126) {
        if (n < 4) break;
        len = ((unsigned char)p[2] << 8) | (unsigned char)p[3];
        h = 4;
      } else if (len == 127) {
        if (n < 10) break;
        len = 0;
        for (int i = 2; i < 10; i++) len = len << 8 | (unsigned char)p[i];
        h = 10;
      }
      if (n < h + len) break;
      on_frame(c, p + h, len, op);
      if (c->state == DEAD) return;
      p += h + len;
      n -= h + len;
    }
    if (n) keep(c, p, n);
    if (r < (int)sizeof buf) return;
  }
}

static void turn(int ms) {
  static struct epoll_event ev[1024];
  int k = epoll_wait(ep, ev, 1024, ms);
  for (int i = 0; i < k; i++) {
    Conn *c = ev[i].data.ptr;
    if (c->state == DEAD) continue;
    if (c->state == CONNECTING && (ev[i].events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) {
      int err = 0;
      socklen_t l = sizeof err;
      getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &l);
      if (err && is_load) {
        load_ended(c, "connect", strerror(err), strlen(strerror(err)));
        continue;
      }
      if (err) {
        fprintf(stderr, "connect: %s\n", strerror(err));
        exit(2);
      }
      static char req[1 << 16];
      char host[64];
      snprintf(host, sizeof host, "127.0.0.1:%d", nports ? ports[(c - conns) % nports] : port);
      int n = snprintf(req, sizeof req,
                       "GET %s HTTP/1.1\r\nHost: %s\r\n%s"
                       "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                       "Sec-WebSocket-Version: 13\r\n\r\n",
                       path, authority ? authority : host, header);
      if (n >= (int)sizeof req) {
        fprintf(stderr, "the path and the headers are too long\n");
        exit(2);
      }
      if (send(c->fd, req, n, MSG_NOSIGNAL) != n) {
        if (is_load) {
          load_ended(c, "connect", strerror(errno), strlen(strerror(errno)));
          continue;
        }
        perror("send");
        exit(2);
      }
      c->state = UPGRADING;
      struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
      epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
    } else if (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
      on_bytes(c);
    }
  }
}

/* The mode load.
 *
 * All connections are opened, and join if there is a topic. A connection that fails is counted, and takes no further part;
 * so is one that is lost later. Then number m of all pushes is sent at m / (rate * connections) seconds, by connection
 * m modulo connections. So the number of pushes is known before. A push has no answer until its reply comes, which its ref tells.
 * A message with the stamp of this run that is no reply is a delivery.
 *
 * It prints a line of JSON four times a second, and a last one with the histograms. SIGINT ends it early.
 */
typedef struct {
  long counts[NH], most; /* most: in ns */
} Hist;

typedef struct {
  char kind[12], text[400];
  int size;
} Note;

static Hist took_connect, took_join, took_reply, took_delivery;
static Note failure, refusal; /* the first connection that failed or was lost, and the first push that was refused */
static long opened, joined, failed, lost, pushed, replied, refused, heard, expected, skipped;
static long *members; /* the live connections of each topic */
static const char *topic_before = 0, *topic_after = "", *load_event = "", *body_before = "{}", *body_after = "", *mark = "";
static int is_numbered = 0, hears = 0;
static volatile sig_atomic_t is_interrupted = 0;
static double patience = 30, drain_patience = 10, began, beaten;

static void took(Hist *h, long since) {
  long ns = now_ns() - since;
  h->counts[bucket(ns / 1000.0)]++;
  if (ns > h->most) h->most = ns;
}

static void note(Note *to, const char *kind, const char *text, long n) {
  if (to->size || to->kind[0]) return;
  snprintf(to->kind, sizeof to->kind, "%s", kind);
  to->size = n < (long)sizeof to->text ? n : (long)sizeof to->text;
  memcpy(to->text, text, to->size);
}

static void load_ended(Conn *c, const char *kind, const char *text, long n) {
  if (c->state == DEAD) return;
  note(&failure, kind, text, n);
  if (c->state == READY) {
    lost++;
    members[c->topic]--;
  } else {
    failed++;
  }
  c->state = DEAD;
  if (c->fd >= 0) close(c->fd); /* epoll forgets it */
}

/* A server that does not read for 5 s. */
static int load_slow(Conn *c) {
  const char *why = "the server has not read for 5 s";
  load_ended(c, "lost", why, strlen(why));
  return 1;
}

static void load_ready(Conn *c) {
  c->state = READY;
  c->lastown = now();
  members[c->topic]++;
}

/* Write the topic of a connection, as it is inside a JSON string. */
static int topic_of(Conn *c, char *to, int size) {
  if (!is_numbered) return snprintf(to, size, "%s", topic_before);
  return snprintf(to, size, "%s%d%s", topic_before, c->topic, topic_after);
}

static void load_opened(Conn *c) {
  opened++;
  took(&took_connect, c->asked);
  if (!topic_before) {
    load_ready(c);
    return;
  }
  static char topic[1024], m[1 << 17];
  topic_of(c, topic, sizeof topic);
  c->ref = 1;
  c->asked = now_ns();
  send_text(c, m, snprintf(m, sizeof m, "[\"1\",\"1\",\"%s\",\"phx_join\",%s]", topic, joinpayload));
}

/* Remember when a push was sent. A connection with more than 1,024 pushes without a reply forgets the oldest. */
static void remember(Conn *c, long ref, long at) {
  while (c->slots < 1024 && (!c->slots || c->sent[ref & (c->slots - 1)].ref)) {
    int more = c->slots ? 2 * c->slots : 4;
    Push *sent = calloc(more, sizeof *sent);
    for (int i = 0; i < c->slots; i++)
      if (c->sent[i].ref) sent[c->sent[i].ref & (more - 1)] = c->sent[i];
    free(c->sent);
    c->sent = sent;
    c->slots = more;
  }
  c->sent[ref & (c->slots - 1)] = (Push){ref, at};
}

static void load_push(Conn *c) {
  static char topic[1024], m[1 << 18];
  int n;
  long at = now_ns();
  ++c->ref;
  if (topic_before) {
    topic_of(c, topic, sizeof topic);
    n = snprintf(m, sizeof m, "[\"1\",\"%ld\",\"%s\",\"%s\",%s%s-%07d-%019ld%s]", c->ref, topic, load_event,
                 body_before, mark, (int)(c - conns), at, body_after);
  } else {
    n = snprintf(m, sizeof m, "[null,\"%ld\",\"phoenix\",\"heartbeat\",{}]", c->ref);
  }
  remember(c, c->ref, at);
  pushed++;
  expected += members[c->topic];
  c->lastown = now();
  send_text(c, m, n);
}

static void load_reply(Conn *c, long ref, int is_ok, const char *text, long n) {
  if (c->state == JOINING) {
    if (is_ok) {
      joined++;
      took(&took_join, c->asked);
      load_ready(c);
    } else {
      load_ended(c, "join", text, n);
    }
    return;
  }
  if (ref < 1 || ref > c->ref) return; /* a heartbeat of ours has the ref 0 */
  if (is_ok) {
    replied++;
  } else {
    refused++;
    note(&refusal, "push", text, n);
  }
  Push *push = c->slots ? &c->sent[ref & (c->slots - 1)] : 0;
  if (push && push->ref == ref) {
    if (is_ok) took(&took_reply, push->at);
    push->ref = 0;
  }
}

/* The next element of a JSON array: the text inside a string, or a literal. Return what follows. */
static const char *element(const char *p, const char *end, const char **text, long *size) {
  while (p < end && (*p == '[' || *p == ',' || *p == ' ')) p++;
  int is_string = p < end && *p == '"';
  *text = p += is_string;
  while (p < end && (is_string ? *p != '"' : *p != ',' && *p != ']')) p += is_string && *p == '\\' ? 2 : 1;
  if (p > end) p = end;
  *size = p - *text;
  return p + (is_string && p < end);
}

/* Whether a JSON object has the status ok. A response before it can have a status too. */
static int has_ok(const char *p, const char *end) {
  int depth = 0;
  while (p < end) {
    if (*p == '{' || *p == '[') depth++;
    if (*p == '}' || *p == ']') depth--;
    if (*p != '"') {
      p++;
      continue;
    }
    const char *text;
    long size;
    p = element(p, end, &text, &size);
    if (depth != 1 || size != 6 || memcmp(text, "status", 6)) continue;
    while (p < end && *p == ' ') p++;
    if (p >= end || *p != ':') continue;
    do p++;
    while (p < end && *p == ' ');
    element(p, end, &text, &size);
    return size == 2 && !memcmp(text, "ok", 2);
  }
  return 0;
}

static void load_frame(Conn *c, const char *p, long n, int op) {
  const unsigned char *u = (const unsigned char *)p;
  const char *end = p + n, *ref, *text;
  long size;
  if (op == 2 && n > 5 && u[0] == 1 && n >= 5 + u[1] + u[2] + u[3] + u[4]) {
    ref = p + 5 + u[1];
    text = ref + u[2] + u[3];
    load_reply(c, strtol(ref, 0, 10), u[4] == 2 && !memcmp(text, "ok", 2), p, n);
    return;
  }
  if (op == 1) {
    const char *rest = element(p, end, &text, &size);
    rest = element(rest, end, &ref, &size);
    rest = element(rest, end, &text, &size);
    rest = element(rest, end, &text, &size);
    if (size == 9 && !memcmp(text, "phx_reply", 9)) {
      load_reply(c, strtol(ref, 0, 10), has_ok(rest, end), p, n);
      return;
    }
    if (size == 9 && (!memcmp(text, "phx_error", 9) || !memcmp(text, "phx_close", 9))) {
      load_ended(c, "channel", p, n);
      return;
    }
  }
  if (!hears) return;
  const char *stamp = memmem(p, n, mark, strlen(mark));
  if (!stamp || end - stamp < (long)strlen(mark) + 28) return;
  heard++;
  took(&took_delivery, strtol(stamp + strlen(mark) + 9, 0, 10));
}

static void on_interrupt(int number) {
  is_interrupted = number;
}

static void print_counts(const char *type, double seconds) {
  printf("{\"type\":\"%s\",\"seconds\":%.3f,\"opened\":%ld,\"joined\":%ld,\"failed\":%ld,\"lost\":%ld,\"pushed\":%ld,"
         "\"replied\":%ld,\"refused\":%ld,\"heard\":%ld,\"expected\":%ld,\"skipped\":%ld",
         type, seconds, opened, joined, failed, lost, pushed, replied, refused, heard, expected, skipped);
}

static void print_hist(const char *name, const Hist *h) {
  const char *comma = "";
  printf(",\"%s\":{\"most_us\":%.3f,\"buckets\":[", name, h->most / 1000.0);
  for (int i = 0; i < NH; i++) {
    if (!h->counts[i]) continue;
    printf("%s[%d,%ld]", comma, i, h->counts[i]);
    comma = ",";
  }
  printf("]}");
}

static void print_note(const char *name, const Note *of) {
  printf(",\"%s\":[\"%s\",\"", name, of->kind);
  for (int i = 0; i < of->size; i++) printf("%02x", (unsigned char)of->text[i]);
  printf("\"]");
}

/* Four times a second: print the counts, give up connections that take too long, and send heartbeats. */
static void tick(const char *type) {
  double t = now();
  if (t - beaten < .25) return;
  beaten = t;
  print_counts(type, t - began);
  printf("}\n");
  fflush(stdout);
  for (int i = 0; i < nconn; i++) {
    Conn *c = &conns[i];
    if (c->state == READY && t - c->lastown > 25) {
      const char *m = "[null,\"0\",\"phoenix\",\"heartbeat\",{}]";
      c->lastown = t;
      send_text(c, m, strlen(m));
    } else if (i < started && c->state != READY && c->state != DEAD && t - c->since > patience) {
      const char *why = "no answer in time";
      load_ended(c, "timeout", why, strlen(why));
    }
  }
}

static int run_load(void) {
  struct sigaction action = {.sa_handler = on_interrupt};
  sigaction(SIGINT, &action, 0);
  sigaction(SIGTERM, &action, 0);
  ep = epoll_create1(0);
  conns = calloc(nconn, sizeof *conns);
  members = calloc(topics, sizeof *members);
  for (int i = 0; i < nconn; i++) {
    conns[i].topic = i % topics;
    conns[i].fd = -1;
  }
  began = now();
  int begun = 0;
  while (!is_interrupted) {
    long settled = failed + lost;
    for (int i = 0; i < topics; i++) settled += members[i];
    if (settled == nconn) break;
    while (begun < nconn && begun - settled < inflight) {
      start_conn(&conns[begun++]);
      if (conns[begun - 1].state == DEAD) settled++;
    }
    started = begun;
    turn(50);
    tick("opening");
  }
  double opening = now() - began;
  int *senders = calloc(nconn, sizeof *senders), count = 0;
  for (int i = 0; i < nconn; i++)
    if (conns[i].state == READY) senders[count++] = i;
  double total = rate * count, wanted = total * secs - 1e-9;
  long planned = wanted > 0 ? (long)wanted : 0, m = 0;
  if (planned < wanted) planned++;

  began = now();
  while (m < planned && !is_interrupted && lost < count && now() - began < secs + drain_patience) {
    double t = now() - began;
    for (int burst = 0; burst < 64 && m < planned && m / total <= t; burst++, m++) {
      Conn *c = &conns[senders[m % count]];
      if (c->state == READY) load_push(c);
      else skipped++;
    }
    double due = m / total - (now() - began);
    turn(due <= 0 ? 0 : due < .001 ? 1 : due < .1 ? (int)(due * 1000) : 100);
    tick("load");
  }
  double load = now() - began, quiet = now(), drained = quiet;
  for (long last = -1; !is_interrupted && now() - drained < drain_patience;) {
    long answered = replied + refused;
    if (answered == pushed && (!hears || heard >= expected)) break;
    /* Of a handler that never replies, or broadcasts to all but the sender, nothing is missing. */
    int misses = (answered && answered < pushed) ||
                 (hears && heard && heard < expected && heard != expected - pushed);
    if (answered + heard != last) quiet = now();
    last = answered + heard;
    if (!misses && now() - quiet > 2) break;
    turn(50);
    tick("draining");
  }
  print_counts("result", load);
  printf(",\"planned\":%ld,\"opening\":%.3f,\"is_whole\":%s", planned, opening, is_interrupted ? "false" : "true");
  print_hist("connect", &took_connect);
  print_hist("join", &took_join);
  print_hist("reply", &took_reply);
  print_hist("delivery", &took_delivery);
  print_note("failure", &failure);
  print_note("refusal", &refusal);
  printf("}\n");
  fflush(stdout);
  for (int i = 0; i < nconn; i++)
    if (conns[i].state == READY) send_frame(&conns[i], 8, "\x03\xe8", 2);
  return 0;
}

/* Set the address of the target: a number and a port. */
static void aim(const char *address) {
  char service[16];
  snprintf(service, sizeof service, "%d", port);
  struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *found;
  int code = getaddrinfo(address, service, &hints, &found);
  if (code) {
    fprintf(stderr, "%s: %s\n", address, gai_strerror(code));
    exit(2);
  }
  memcpy(&target, found->ai_addr, found->ai_addrlen);
  target_size = found->ai_addrlen;
  freeaddrinfo(found);
}

/* Return the arguments that the standard input has, each ended by a zero byte. */
static char **read_arguments(int *count) {
  long size = 0, room = 1 << 16;
  char *text = malloc(room);
  for (long r; (r = read(0, text + size, room - size)) > 0;) {
    size += r;
    if (size == room) text = realloc(text, room *= 2);
  }
  char **found = calloc(size + 2, sizeof *found);
  *count = 1;
  for (long i = 0; i < size; i += strlen(text + i) + 1) found[(*count)++] = text + i;
  return found;
}

int main(int argc, char **argv) {
  const char *address = "127.0.0.1";
  if (argc == 2 && !strcmp(argv[1], "-")) argv = read_arguments(&argc);
  for (int i = 1; i + 1 < argc; i += 2) {
    char *k = argv[i], *v = argv[i + 1];
    if (!strcmp(k, "--port")) port = atoi(v);
    else if (!strcmp(k, "--every")) every = atoi(v);
    else if (!strcmp(k, "--conns")) nconn = atoi(v);
    else if (!strcmp(k, "--flooders")) flooders = atoi(v);
    else if (!strcmp(k, "--stalled")) stalled = atoi(v);
    else if (!strcmp(k, "--mode")) mode = v;
    else if (!strcmp(k, "--secs")) secs = atof(v);
    else if (!strcmp(k, "--window")) window = atoi(v);
    else if (!strcmp(k, "--pubs")) pubs = atoi(v);
    else if (!strcmp(k, "--rate")) rate = atof(v);
    else if (!strcmp(k, "--path")) path = v;
    else if (!strcmp(k, "--pid")) pids = v;
    else if (!strcmp(k, "--topics")) topics = atoi(v);
    else if (!strcmp(k, "--payload")) paysize = atoi(v);
    else if (!strcmp(k, "--inflight")) inflight = atoi(v);
    else if (!strcmp(k, "--warm")) warmup = atof(v);
    else if (!strcmp(k, "--remote")) remote = atoi(v);
    else if (!strcmp(k, "--sees")) sees = v;
    else if (!strcmp(k, "--address")) address = v;
    else if (!strcmp(k, "--authority")) authority = v;
    else if (!strcmp(k, "--header")) header = v;
    else if (!strcmp(k, "--topic-before")) topic_before = v;
    else if (!strcmp(k, "--topic-after")) topic_after = v;
    else if (!strcmp(k, "--numbered")) is_numbered = atoi(v);
    else if (!strcmp(k, "--event")) load_event = v;
    else if (!strcmp(k, "--body-before")) body_before = v;
    else if (!strcmp(k, "--body-after")) body_after = v;
    else if (!strcmp(k, "--mark")) mark = v;
    else if (!strcmp(k, "--hears")) hears = atoi(v);
    else if (!strcmp(k, "--patience")) patience = atof(v);
    else if (!strcmp(k, "--ports")) {
      while (*v && nports < 16) {
        ports[nports++] = strtol(v, &v, 10);
        if (*v == ',') v++;
      }
    } else if (!strcmp(k, "--proto")) {
      sio = v[0] == 's';
      if (sio) path = "/socket.io/?EIO=4&transport=websocket";
    } else if (!strcmp(k, "--drain")) drain = atof(v);
    else if (!strcmp(k, "--prefix")) prefix = v;
    else if (!strcmp(k, "--join")) joinpayload = v;
    else {
      fprintf(stderr, "unknown option %s\n", k);
      return 2;
    }
  }
  aim(address);
  is_load = !strcmp(mode, "load");
  if (is_load) return run_load();
  paysize -= 6;
  if (paysize < 0) paysize = 0;
  memset(filler, 'x', paysize);
  filler[paysize] = 0; /* 6 bytes of the body are the publisher number */

  /* All connections connect and join, the misbehaving ones last. */
  ep = epoll_create1(0);
  int good = nconn;
  nconn += flooders + stalled;
  conns = calloc(nconn, sizeof *conns);
  for (int i = good; i < nconn; i++) conns[i].role = i < good + flooders ? FLOODER : STALLED;
  make_flood();
  long rss0 = rss_of(pids);
  double c0 = cpu_of(pids), t0 = now();
  while (ready + dead < nconn) {
    while (started < nconn && started - ready - dead < inflight) {
      conns[started].topic = (nports ? started / nports : started) % topics;
      start_conn(&conns[started]);
    }
    turn(50);
    if (now() - t0 > 120) {
      fprintf(stderr, "only %d of %d connections are ready after 120 s\n", ready, nconn);
      return 3;
    }
  }
  double tj = now() - t0, cj = cpu_of(pids) - c0;
  long rss1 = rss_of(pids);
  double seen_s = 0;
  if (sees) {
    while (seeing < nconn && now() - t0 - tj < 60) turn(5);
    seen_s = now() - t0 - tj;
  }
  if (mode[0] == 'h') {
    double end = now() + secs;
    while (now() < end) turn(100);
    printf("{\"mode\":\"hold\",\"conns\":%d,\"join_per_s\":%.0f,\"join_cpu_us\":%.1f,"
           "\"rss_kb_before\":%ld,\"rss_kb_after\":%ld,\"kb_per_conn\":%.2f,\"still\":%d,"
           "\"cpu_s\":%.4f,\"mb_in\":%.1f,\"frames_in\":%ld,\"errors\":%ld}\n",
           ready, ready / tj, cj / ready * 1e6, rss0, rss_of(pids),
           (double)(rss_of(pids) - rss0) / ready, nconn - dead, cpu_of(pids) - c0, bytes_in / 1e6,
           all_frames, errors);
    return 0;
  }

  /* The load: one second of warm-up, then --secs seconds that count. */
  int echo = mode[0] == 'e';
  int per = echo ? good : pubs;
  if (remote && (nports < 2 || per > good / nports)) {
    fprintf(stderr, "--remote needs --ports, and at most one publisher for each connection of the first port\n");
    return 2;
  }
  int step = remote ? nports : 1;
  for (int i = 0; i < per; i++) conns[i * step].pub = 1;
  for (int i = good + flooders; i < nconn; i++) epoll_ctl(ep, EPOLL_CTL_DEL, conns[i].fd, 0);
  char self[16];
  snprintf(self, sizeof self, "%d", getpid());
  double w1 = 0, gw1 = 0, gc1 = 0, st1 = 0, b1 = 0;
  double warm = now() + warmup, t1 = 0, c1 = 0, next = now();
  long f1 = 0, sent = 0;
  int rr = 0;
  double stop = warm + secs;
  for (;;) {
    double t = now();
    if (!t1 && t >= warm) {
      t1 = t;
      c1 = cpu_of(pids);
      w1 = wait_of(pids);
      gw1 = wait_of(self);
      gc1 = cpu_of(self);
      st1 = steal();
      b1 = busy();
      f1 = frames;
      memset(hist, 0, sizeof hist);
      samples = 0;
      bytes_in = 0;
      sent = 0;
    }
    if (t >= stop) break;
    for (int i = good; i < good + flooders; i++) pour(&conns[i]);
    if (rate > 0) {
      while (next <= t) {
        Conn *c = &conns[rr++ % per * step];
        if (c->state == READY) {
          push(c, echo ? "echo" : "new_msg");
          sent++;
        }
        next += 1 / rate;
      }
      turn(1);
    } else {
      for (int i = 0; i < per; i++) {
        Conn *c = &conns[i * step];
        while (c->state == READY &&
               (c->outstanding < window || (t - c->lastown > 2 && (stalls++, 1)))) {
          push(c, echo ? "echo" : "new_msg");
          sent++;
        }
      }
      turn(20);
    }
  }

  /* The figures end before the drain: a late message counts as delivered, but not as throughput. */
  double dt = now() - t1, dc = cpu_of(pids) - c1;
  long f = frames - f1;
  double sw = (wait_of(pids) - w1) / dt, gw = (wait_of(self) - gw1) / dt,
         gs = (cpu_of(self) - gc1) / dt, st = (steal() - st1) / dt,
         fo = (busy() - b1) / dt - dc / dt - gs;
  double p50 = quantile(.5), p99 = quantile(.99), p999 = quantile(.999);
  long nsamp = samples;
  int dead1 = dead;
  long err1 = errors;
  long expect = tot_sent * (echo ? 1 : good / topics);
  double dend = now() + drain;
  while (now() < dend && frames < expect) turn(50);
  long rss = rss_of(pids), peak = memory_of(pids, "VmHWM");

  /* Results of the misbehaving connections: stalled connections read the rest of their bytes, up to the close. */
  long flood_sent = 0, closed[3] = {0};
  int code[3] = {0};
  for (int i = good; i < nconn; i++) {
    Conn *c = &conns[i];
    flood_sent += c->flooded / flood_frame;
    double give_up = now() + 1;
    while (c->state == READY && now() < give_up) on_bytes(c);
    closed[c->role] += c->state == DEAD;
    if (c->code > code[c->role]) code[c->role] = c->code;
  }
  printf("{\"mode\":\"%s\",\"conns\":%d,\"topics\":%d,\"pubs\":%d,\"window\":%d,\"rate\":%.0f,"
         "\"join_per_s\":%.0f,\"join_cpu_us\":%.1f,\"kb_per_conn\":%.2f,"
         "\"sent_per_s\":%.0f,\"per_s\":%.0f,\"cpu_us\":%.3f,\"cpu_share\":%.2f,"
         "\"p50_us\":%.0f,\"p99_us\":%.0f,\"p999_us\":%.0f,\"samples\":%ld,"
         "\"errors\":%ld,\"dead\":%d,\"undelivered\":%ld,\"expected\":%ld,"
         "\"stalls\":%ld,\"blocked\":%ld,\"srv_wait\":%.2f,\"gen_wait\":%.2f,\"gen_share\":%.2f,"
         "\"steal\":%.2f,\"foreign\":%.2f,\"rss_kb\":%ld,\"peak_kb\":%ld",
         mode, good, topics, pubs, window, rate, ready / tj, cj / ready * 1e6,
         (double)(rss1 - rss0) / ready, sent / dt, f / dt, dc / f * 1e6, dc / dt, p50, p99, p999,
         nsamp, err1, dead1, expect - frames, expect, stalls, blocked, sw, gw, gs, st, fo, rss, peak);
  if (good < nconn)
    printf(",\"flood_sent\":%ld,\"flood_refused\":%ld,\"flood_heard\":%ld,\"flood_closed\":%ld,"
           "\"flood_code\":%d,\"stalled_closed\":%ld,\"stalled_code\":%d",
           flood_sent, flood_refused, flood_heard, closed[FLOODER], code[FLOODER], closed[STALLED],
           code[STALLED]);
  printf(",\"sent\":%ld,\"join_s\":%.2f", tot_sent, tj);
  if (sees) printf(",\"seen_s\":%.3f,\"seen\":%ld,\"told\":%ld", seen_s, seeing, told);
  printf("}\n");
  return 0;
}
